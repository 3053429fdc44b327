// instantiations: fast step
//
// lib/string's conversions, lib/builder, lib/buffer and what package slices does. Contents are those of plain C arrays to which the same was
// done; capacities those of rules written down anew from Go's sources over a list of its size classes. Collections come in between, and what
// is built lies in the heap.
#include "harness.h"

#include "lib/buffer.c"
#include "lib/builder.c"
#include "lib/slice.c"
#include "lib/string.c"

enum { MODEL_BYTES = 1 << 17 };

struct go { // a heap, and room for model contents
    mut *m;
    const gcsim_type *byte, *rune, *node, *builder, *buffer;
    uint64_t random;
    char model[MODEL_BYTES], said[MODEL_BYTES];
};

static struct go *open_go(uint64_t seed)
{
    gcsim_options options = small_heap;
    options.check_mark = options.verify_phases = options.clobber_free = 1;
    struct go *go = calloc(1, sizeof *go);
    INVARIANT(go);
    go->m = open_heap(options);
    gcsim_heap *heap = go->m->heap;
    go->byte = make_bytes(heap, "byte", 1);
    go->rune = make_bytes(heap, "rune", 4);
    go->node = make_type(heap, "node", 2, 3);
    go->builder = make_type(heap, "builder", BUILDER_WORDS, BUILDER_MASK);
    go->buffer = make_type(heap, "buffer", BUFFER_WORDS, BUFFER_MASK);
    go->random = seed;
    return go;
}

static void close_go(struct go *go)
{
    check(verifies(go->m), "the heap verifies");
    close_heap(go->m);
    free(go);
}

static void *keep(struct go *go, void *p)
{
    INVARIANT(p && API->handle_new(go->m, p));
    return p;
}

static void collect(struct go *go) { INVARIANT(API->collect(go->m) == GCSIM_OK); }

// --- the rules, from Go's sources: msize.go, slice.go, builder.go, buffer.go

static int64_t class_bytes(int64_t bytes) // without pointers
{
    static const int classes[] = {
        8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,   160,
        176,   192,   208,   224,   240,   256,   288,   320,   352,   384,   416,   448,
        480,   512,   576,   640,   704,   768,   896,   1024,  1152,  1280,  1408,  1536,
        1792,  2048,  2304,  2688,  3072,  3200,  3456,  4096,  4864,  5376,  6144,  6528,
        6784,  6912,  8192,  9472,  9728,  10240, 10880, 12288, 13568, 14336, 16384, 18432,
        19072, 20480, 21760, 24576, 27264, 28672, 32768};
    if (bytes == 0)
        return 0;
    for (unsigned i = 0; bytes <= 32760 && i < sizeof classes / sizeof *classes; i++)
        if (classes[i] >= bytes)
            return classes[i];
    return (bytes + 8191) / 8192 * 8192;
}

static int64_t appended_cap(int64_t len, int64_t old) // of bytes
{
    if (len <= old)
        return old;
    int64_t cap = old;
    if (len > 2 * old)
        cap = len;
    else if (old < 256)
        cap = 2 * old;
    else
        while (cap < len)
            cap += (cap + 768) / 4;
    return class_bytes(cap);
}

// --- conversions

static bool slot_is(struct go *go, const void *p, int64_t slot)
{
    gcsim_object object;
    return API->find_object(go->m->heap, p, &object) == GCSIM_OK &&
           object.slot_bytes == (uint64_t)slot && object.noscan;
}

static void bytes_and_strings(struct go *go)
{
    mut *m = go->m;
    char local[STRING_LOCAL];
    bool ok = true;
    for (int64_t n = 0; n < 3000; n += n < 40 ? 1 : n / 3) {
        for (int64_t i = 0; i < n; i++)
            go->model[i] = (char)('a' + below(&go->random, 26));
        struct string s, t;
        struct slice b;
        ok &= string_make(m, go->byte, go->model, n, &s) == GCSIM_OK;
        ok &= bytes_from_string(m, go->byte, NULL, s, &b) == GCSIM_OK && b.len == n &&
              b.cap == class_bytes(n) && (n < 16 || slot_is(go, b.ptr, class_bytes(n)));
        ok &= string_from_bytes(m, go->byte, NULL, b, &t) == GCSIM_OK && string_equal(s, t);
        ok &= n == 0 ? !t.ptr : is_object(m->heap, t.ptr) == (n > 1) && t.ptr != b.ptr;
        ok &= bytes_from_string(m, go->byte, local, s, &b) == GCSIM_OK &&
              (b.ptr == local) == (n <= STRING_LOCAL) && string_equal(s, string_view(b)) &&
              (n > STRING_LOCAL || b.cap == STRING_LOCAL);
        ok &= string_from_bytes(m, go->byte, local, b, &t) == GCSIM_OK && string_equal(s, t) &&
              (t.ptr == local) == (n > 1 && n <= STRING_LOCAL);
    }
    check(ok, "[]byte(s) and string(b), escaping and not");
    struct string s = {NULL, INT64_MAX};
    struct slice b;
    check(bytes_from_string(m, go->byte, local, s, &b) == GCSIM_BAD_SIZE && !b.ptr,
          "a []byte that no heap holds");
}

static void concatenations(struct go *go)
{
    mut *m = go->m;
    char local[STRING_LOCAL];
    struct string a[3], s;
    struct slice b;
    bool ok = true;
    for (int i = 0; i < 400; i++) {
        int64_t total = 0, parts = 0, last = 0;
        for (int k = 0; k < 3; k++) {
            int64_t n = (int64_t)below(&go->random, below(&go->random, 3) ? 20 : 3);
            ok &= string_make(m, go->byte, "0123456789abcdefghij", n, &a[k]) == GCSIM_OK;
            memcpy(go->model + total, "0123456789abcdefghij", (size_t)n);
            total += n;
            parts += n > 0;
            last = n ? k : last;
        }
        struct string whole = {go->model, total};
        ok &= string_concat(m, go->byte, NULL, a, 3, &s) == GCSIM_OK && string_equal(s, whole) &&
              (parts != 1 || s.ptr == a[last].ptr) && (total == 0 || is_object(m->heap, s.ptr));
        ok &= string_concat(m, go->byte, local, a, 3, &s) == GCSIM_OK && string_equal(s, whole) &&
              (s.ptr == local) == (parts > 1 && total <= STRING_LOCAL);
        ok &= bytes_concat(m, go->byte, NULL, a, 3, &b) == GCSIM_OK &&
              string_equal(string_view(b), whole) && b.cap == class_bytes(total);
        ok &= bytes_concat(m, go->byte, local, a, 3, &b) == GCSIM_OK &&
              string_equal(string_view(b), whole) &&
              (b.ptr == local) == (total > 0 && total <= STRING_LOCAL);
    }
    check(ok, "a + b + c and []byte(a + b + c)");
    struct string here = {local, 5}, one;
    check(string_concat(m, go->byte, NULL, &here, 1, &s) == GCSIM_OK && s.ptr != local &&
              string_concat(m, go->byte, local, &here, 1, &s) == GCSIM_OK && s.ptr == local,
          "one that lies on the stack is copied if the result escapes");
    b = (struct slice){local, 1, 1};
    check(string_from_bytes(m, go->byte, NULL, b, &one) == GCSIM_OK &&
              string_concat(m, go->byte, NULL, &one, 1, &s) == GCSIM_OK && s.ptr == one.ptr,
          "a string of one byte is always there");
}

static void runes(struct go *go)
{
    static const struct { // what Go gives for []rune(s)
        const char *text;
        int64_t bytes, n;
        int32_t rune[6];
    } go_runes[] = {
        {"", 0, 0, {0}},
        {"a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", 10, 4, {'a', 0xe9, 0x4e2d, 0x1f600}},
        {"\x80x", 2, 2, {0xfffd, 'x'}},
        {"\xc3", 1, 1, {0xfffd}},
        {"\xc0\x80", 2, 2, {0xfffd, 0xfffd}},             // overlong
        {"\xed\xa0\x80", 3, 3, {0xfffd, 0xfffd, 0xfffd}}, // a surrogate
        {"\xf4\x90\x80\x80", 4, 4, {0xfffd, 0xfffd, 0xfffd, 0xfffd}},
        {"\xf4\x8f\xbf\xbf\xef\xbf\xbd", 7, 2, {0x10ffff, 0xfffd}},
        {"\xe4\xb8x", 3, 3, {0xfffd, 0xfffd, 'x'}},
        {"\xf8\x88\x80\x80\x80", 5, 5, {0xfffd, 0xfffd, 0xfffd, 0xfffd, 0xfffd}},
    };
    mut *m = go->m;
    int32_t local[STRING_LOCAL];
    char small[STRING_LOCAL];
    bool ok = true;
    for (unsigned i = 0; i < sizeof go_runes / sizeof *go_runes; i++) {
        struct string s = {go_runes[i].text, go_runes[i].bytes}, t;
        struct slice r;
        ok &= string_runes(s) == go_runes[i].n;
        ok &= runes_from_string(m, go->rune, NULL, s, &r) == GCSIM_OK && r.len == go_runes[i].n &&
              r.cap == class_bytes(4 * r.len) / 4 &&
              !memcmp(r.ptr, go_runes[i].rune, 4 * (size_t)r.len);
        ok &= runes_from_string(m, go->rune, local, s, &r) == GCSIM_OK && r.ptr == local;
        ok &= string_from_runes(m, go->byte, small, r, &t) == GCSIM_OK && t.ptr == small;
        ok &= string_from_runes(m, go->byte, NULL, r, &t) == GCSIM_OK && is_object(m->heap, t.ptr);
        if (i < 2)
            ok &= string_equal(s, t);
    }
    check(ok, "[]rune(s) and string(runes)");
    struct slice bad = {(int32_t[]){-1, 0xd800, 0x110000, 'x'}, 4, 4};
    struct string s;
    INVARIANT(string_from_runes(m, go->byte, NULL, bad, &s) == GCSIM_OK);
    check(string_equal(s, (struct string){"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx", 10}),
          "what is no rune becomes U+FFFD");
    INVARIANT(string_from_rune(m, go->byte, NULL, 0x4e2d, &s) == GCSIM_OK);
    ok = string_equal(s, (struct string){"\xe4\xb8\xad", 3});
    INVARIANT(string_from_rune(m, go->byte, small, 1ll << 40, &s) == GCSIM_OK);
    check(ok && s.ptr == small && string_equal(s, (struct string){"\xef\xbf\xbd", 3}), "string(r)");
}

// --- builders and buffers, against plain arrays

static struct string fresh(struct go *go, int64_t most)
{
    int64_t n = (int64_t)below(&go->random, below(&go->random, 4) ? 12 : (uint64_t)most);
    for (int64_t i = 0; i < n; i++)
        go->said[i] = (char)next_random(&go->random);
    return (struct string){go->said, n};
}

static void builders(struct go *go)
{
    mut *m = go->m;
    bool ok = true;
    for (int round = 0; round < 12; round++) {
        struct builder *b = keep(go, gcsim_new(m, go->builder));
        int64_t len = 0, cap = 0;
        for (int step = 0; step < 200; step++) {
            uint64_t op = below(&go->random, 40);
            if (op == 0) {
                builder_reset(m, b);
                len = cap = 0;
            } else if (op < 4) {
                int64_t n = (int64_t)below(&go->random, 400);
                ok &= builder_grow(m, go->byte, b, n) == GCSIM_OK;
                cap = cap - len < n ? class_bytes(2 * cap + n) : cap;
            } else if (op == 4) {
                collect(go);
            } else {
                struct string s = fresh(go, 600);
                if (op < 15) {
                    s.len = 1;
                    go->said[0] = (char)step;
                    ok &= builder_write_byte(m, go->byte, b, (unsigned char)step) == GCSIM_OK;
                } else if (op < 18) {
                    s = (struct string){"\xe4\xb8\xad", 3};
                    ok &= builder_write_rune(m, go->byte, b, 0x4e2d) == GCSIM_OK;
                } else {
                    ok &= builder_write(m, go->byte, b, s.ptr, s.len) == GCSIM_OK;
                }
                memcpy(go->model + len, s.ptr, (size_t)s.len);
                cap = appended_cap(len + s.len, cap);
                len += s.len;
            }
            ok &= b->buf.cap == cap && (cap < 16 || slot_is(go, b->buf.ptr, cap)) &&
                  string_equal(builder_string(b), (struct string){go->model, len});
        }
    }
    check(ok, "builders hold what was written, in arrays as Go makes them");
    struct builder *b = keep(go, gcsim_new(m, go->builder));
    INVARIANT(builder_write(m, go->byte, b, "x", 1) == GCSIM_OK);
    struct builder *copy = keep(go, gcsim_new(m, go->builder));
    API->copy(m, go->builder, copy, b, 1);
    check(builder_write_byte(m, go->byte, copy, 'y') == GCSIM_BAD_STATE &&
              builder_grow(m, go->byte, copy, 0) == GCSIM_BAD_STATE && copy->buf.len == 1,
          "a copy of a builder in use is refused");
    check(builder_grow(m, go->byte, b, -1) == GCSIM_BAD_SIZE &&
              builder_grow(m, go->byte, b, INT64_MAX) == GCSIM_BAD_SIZE &&
              builder_write(m, go->byte, b, "x", -1) == GCSIM_BAD_SIZE && b->buf.len == 1,
          "absurd lengths are refused, and nothing has changed");
    struct string early = builder_string(b);
    INVARIANT(builder_write(m, go->byte, b, early.ptr, 1) == GCSIM_OK && early.ptr == b->buf.ptr);
    check(string_equal(builder_string(b), (struct string){"xx", 2}),
          "its own bytes, while they fit");
}

struct source {
    struct string left;
    int64_t most; // at a time
};

static int64_t read_source(void *arg, void *to, int64_t room)
{
    struct source *source = arg;
    int64_t n = source->left.len < source->most ? source->left.len : source->most;
    n = n < room ? n : room;
    memcpy(to, source->left.ptr, (size_t)n);
    source->left = string_cut(source->left, n, source->left.len);
    return n;
}

static int64_t read_failure(void *arg, void *to, int64_t room)
{
    (void)arg;
    (void)to;
    (void)room;
    return -1;
}

struct buffer_model { // the bytes not yet read are model[off..len] in the array's own places
    int64_t off, len, cap;
    bool has_array;
};

static void model_grow(struct buffer_model *b, int64_t n, char *model)
{
    int64_t unread = b->len - b->off;
    if (unread == 0 && b->off)
        b->off = b->len = 0;
    if (n <= b->cap - b->len)
        return;
    if (!b->has_array && n <= 64)
        b->cap = 64;
    else if (n > b->cap / 2 - unread) {
        int64_t want = unread + b->off + n, twice = 2 * (b->cap - b->off);
        b->cap = class_bytes(want > twice ? want : twice);
    }
    b->has_array = true;
    memmove(model, model + b->off, (size_t)unread);
    b->off = 0;
    b->len = unread;
}

static void model_room(struct buffer_model *b, int64_t n,
                       char *model) // what is read is not dropped while there is room
{
    if (n > b->cap - b->len)
        model_grow(b, n, model);
}

static void model_write(struct buffer_model *b, struct string s, char *model)
{
    model_room(b, s.len, model);
    memcpy(model + b->len, s.ptr, (size_t)s.len);
    b->len += s.len;
}

static bool buffer_is(const struct buffer *b, const struct buffer_model *model, const char *bytes)
{
    struct string unread = {bytes + model->off, model->len - model->off};
    return b->buf.cap == model->cap && b->off == model->off && b->buf.len == model->len &&
           string_equal(string_view(buffer_bytes(b)), unread);
}

static bool buffer_step(struct go *go, struct buffer *b, struct buffer_model *model)
{
    mut *m = go->m;
    uint64_t op = below(&go->random, 40);
    int64_t n = (int64_t)below(&go->random, 300), unread = model->len - model->off, got = 0;
    struct string s = fresh(go, 900);
    bool ok = true;
    if (op == 0) {
        buffer_reset(b);
        model->off = model->len = 0;
    } else if (op < 4) {
        ok = buffer_grow(m, go->byte, b, n) == GCSIM_OK;
        model_grow(model, n, go->model);
    } else if (op < 6) {
        n = n < unread ? n : unread;
        ok = buffer_truncate(b, n) == GCSIM_OK;
        model->len = model->off + n;
        if (n == 0)
            model->off = model->len = 0;
    } else if (op < 14) {
        struct slice next = buffer_next(b, n);
        n = n < unread ? n : unread;
        ok = next.len == n && !memcmp(next.ptr ? next.ptr : "", go->model + model->off, (size_t)n);
        model->off += n;
    } else if (op < 20) {
        char out[300];
        got = buffer_read(b, out, n);
        if (unread == 0)
            model->off = model->len = n = 0;
        n = n < unread ? n : unread;
        ok = got == n && !memcmp(out, go->model + model->off, (size_t)n);
        model->off += n;
        if (n && below(&go->random, 2)) {
            ok &= buffer_unread_byte(b) == GCSIM_OK && buffer_unread_byte(b) == GCSIM_BAD_STATE;
            model->off--;
        }
    } else if (op < 23) {
        struct source source = {s, 700};
        ok = buffer_read_from(m, go->byte, b, read_source, &source, &got) == GCSIM_OK &&
             got == s.len;
        while (s.len > 0) {
            model_grow(model, 512, go->model);
            int64_t room = model->cap - model->len;
            n = s.len < 700 ? s.len : 700;
            n = n < room ? n : room;
            model_write(model, string_cut(s, 0, n), go->model);
            s = string_cut(s, n, s.len);
        }
        model_grow(model, 512, go->model);
    } else if (op < 25) {
        ok = buffer_write_rune(m, go->byte, b, 0xe9) == GCSIM_OK;
        model_room(model, 4, go->model);
        model_write(model, (struct string){"\xc3\xa9", 2}, go->model);
    } else if (op < 30) {
        ok = buffer_write_byte(m, go->byte, b, 'z') == GCSIM_OK;
        model_write(model, (struct string){"z", 1}, go->model);
    } else if (op == 30) {
        collect(go);
    } else {
        ok = buffer_write(m, go->byte, b, s.ptr, s.len) == GCSIM_OK;
        model_write(model, s, go->model);
    }
    return ok;
}

static void buffers(struct go *go)
{
    mut *m = go->m;
    bool ok = true;
    for (int round = 0; round < 20; round++) {
        struct buffer *b = keep(go, gcsim_new(m, go->buffer));
        struct buffer_model model = {0};
        for (int step = 0; ok && step < 200; step++)
            ok = buffer_step(go, b, &model) && buffer_is(b, &model, go->model) &&
                 (model.cap < 16 || slot_is(go, b->buf.ptr, class_bytes(model.cap)));
    }
    check(ok, "buffers hold what was written and not yet read, in arrays as Go makes them");
    struct buffer *b = keep(go, gcsim_new(m, go->buffer));
    int64_t n;
    INVARIANT(buffer_write(m, go->byte, b, "abc", 3) == GCSIM_OK);
    check(buffer_grow(m, go->byte, b, -1) == GCSIM_BAD_SIZE &&
              buffer_grow(m, go->byte, b, INT64_MAX) == GCSIM_BAD_SIZE &&
              buffer_write(m, go->byte, b, "", -1) == GCSIM_BAD_SIZE &&
              buffer_truncate(b, 4) == GCSIM_BAD_SIZE && buffer_truncate(b, -1) == GCSIM_BAD_SIZE &&
              buffer_unread_byte(b) == GCSIM_BAD_STATE && buffer_len(b) == 3,
          "what Go panics at changes nothing");
    check(buffer_read_from(m, go->byte, b, read_failure, NULL, &n) == GCSIM_INTERRUPTED && n == 0 &&
              buffer_len(b) == 3,
          "a reader that fails");
}

// --- package slices, of pointers

enum { NODES = 40 };

static void insert_and_delete(struct go *go)
{
    mut *m = go->m;
    void *node[NODES];
    for (int i = 0; i < NODES; i++)
        node[i] = keep(go, gcsim_new(m, go->node));
    bool ok = true;
    for (int round = 0; round < 300; round++) {
        void *model[200], *values[8];
        struct slice *s = keep(go, API->new_array(m, go->node, 2)),
                     longer; // its first word is a pointer
        int64_t len = (int64_t)below(&go->random, 20), cap = len + (int64_t)below(&go->random, 20);
        const gcsim_type *pointer = make_type(m->heap, "pointer", 1, 1);
        INVARIANT(slice_make(m, pointer, len, cap, &longer) == GCSIM_OK);
        slice_put(m, s, longer);
        for (int64_t i = 0; i < len; i++)
            gcsim_store(m, (void **)s->ptr + i, model[i] = node[below(&go->random, NODES)]);
        int64_t n = (int64_t)below(&go->random, 8),
                at = (int64_t)below(&go->random, (uint64_t)len + 1);
        struct slice from = {values, n, n};
        if (n <= len && below(&go->random, 2)) { // its own elements
            int64_t first = (int64_t)below(&go->random, (uint64_t)(len - n) + 1);
            from = slice_cut(*s, 8, first, first + n, first + n);
        } else {
            for (int64_t i = 0; i < n; i++)
                values[i] = node[below(&go->random, NODES)];
        }
        if (n)
            memmove(values, from.ptr, 8 * (size_t)n);
        memmove(model + at + n, model + at, 8 * (size_t)(len - at));
        memcpy(model + at, values, 8 * (size_t)n);
        INVARIANT(slice_insert(m, pointer, *s, at, from, &longer) == GCSIM_OK);
        ok &= (longer.ptr == s->ptr) == (len + n <= cap) && longer.len == len + n &&
              !memcmp(longer.ptr, model, 8 * (size_t)(len + n));
        slice_put(m, s, longer);
        len += n;
        int64_t to = (int64_t)below(&go->random, (uint64_t)len + 1),
                first = (int64_t)below(&go->random, (uint64_t)to + 1);
        memmove(model + first, model + to, 8 * (size_t)(len - to));
        memset(model + len - (to - first), 0, 8 * (size_t)(to - first));
        longer = slice_delete(m, pointer, *s, first, to);
        ok &= longer.len == len - (to - first) && longer.cap == s->cap &&
              !memcmp(longer.ptr, model, 8 * (size_t)len);
    }
    check(ok, "slices.Insert, also of its own elements, and slices.Delete, which clears the rest");
}

static void grow_clone_concat(struct go *go)
{
    mut *m = go->m;
    struct slice s, out, nil = {NULL, 0, 0};
    INVARIANT(slice_make(m, go->byte, 3, 5, &s) == GCSIM_OK);
    memcpy(s.ptr, "abcde", 5);
    check(slice_grow(m, go->byte, s, 2, &out) == GCSIM_OK && out.ptr == s.ptr && out.len == 3,
          "slices.Grow with room");
    check(slice_grow(m, go->byte, s, 10, &out) == GCSIM_OK && out.ptr != s.ptr && out.len == 3 &&
              out.cap == appended_cap(13, 5) && !memcmp(out.ptr, "abcde", 6),
          "slices.Grow takes along what lies behind the length");
    check(slice_grow(m, go->byte, s, -1, &out) == GCSIM_BAD_SIZE &&
              slice_grow(m, go->byte, s, INT64_MAX, &out) == GCSIM_BAD_SIZE && out.ptr == s.ptr,
          "slices.Grow by absurd numbers");
    check(slice_clone(m, go->byte, nil, &out) == GCSIM_OK && !out.ptr, "slices.Clone of nil");
    check(slice_clone(m, go->byte, slice_cut(s, 1, 0, 0, 5), &out) == GCSIM_OK && out.ptr &&
              out.ptr != s.ptr && out.len == 0,
          "slices.Clone of an empty slice does not keep its array");
    INVARIANT(slice_make(m, go->byte, 33, 33, &s) == GCSIM_OK);
    check(slice_clone(m, go->byte, s, &out) == GCSIM_OK && out.ptr != s.ptr && out.cap == 48,
          "slices.Clone has the capacity that append gives");
    struct slice parts[] = {slice_cut(s, 1, 0, 20, 33), nil, s};
    check(slice_concat(m, go->byte, parts, 3, &out) == GCSIM_OK && out.len == 53 && out.cap == 64,
          "slices.Concat");
    check(slice_concat(m, go->byte, parts, 0, &out) == GCSIM_OK && !out.ptr &&
              slice_concat(m, go->byte, (struct slice[]){{s.ptr, INT64_MAX, INT64_MAX}, s}, 2,
                           &out) == GCSIM_BAD_SIZE,
          "slices.Concat of nothing and of too much");
    memset(s.ptr, 'x', 33);
    slice_clear(m, go->byte, slice_cut(s, 1, 1, 32, 32));
    char *p = s.ptr;
    check(p[0] == 'x' && p[1] == 0 && p[31] == 0 && p[32] == 'x', "clear");
    struct slice pushed = nil;
    bool ok = true;
    for (int i = 0; i < 300; i++) {
        char *c = slice_push(m, go->byte, 1, &pushed);
        INVARIANT(c);
        *c = (char)i;
        ok &= pushed.len == i + 1;
    }
    check(ok && pushed.cap == 512 && ((char *)pushed.ptr)[255] == (char)255, "slice_push");
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    printf("seed %" PRIu64 "\n", seed);
    struct go *go = open_go(seed);
    bytes_and_strings(go);
    concatenations(go);
    runes(go);
    builders(go);
    buffers(go);
    insert_and_delete(go);
    grow_clone_concat(go);
    close_go(go);
    return finish();
}
