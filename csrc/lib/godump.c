// Reader of raw Go heap dumps: see godump.h for what it promises.
//
// In the order data flows: bytes and varints; records (heapdump.go:mdump writes them, a tag and its
// fields each); objects by address; the phantoms; edges; roots; reach. Records are read once, into
// rows in the order of the dump (struct godump_raw_object, struct godump_raw_root); columns are
// made when all objects are known.
#include "lib/godump.h"

#include <stdarg.h>

#ifndef GODUMP_REALLOC // tests put a failing allocator here
#define GODUMP_REALLOC realloc
#endif

#define GODUMP_MAGIC "go1.7 heap dump\n" // heapdump.go:dumphdr

enum {
    DUMP_EOF,
    DUMP_OBJECT,
    DUMP_OTHER_ROOT,
    DUMP_TYPE,
    DUMP_GOROUTINE,
    DUMP_FRAME,
    DUMP_PARAMS,
    DUMP_FINALIZER,
    DUMP_ITAB,
    DUMP_THREAD,
    DUMP_MEMSTATS,
    DUMP_QUEUED_FINALIZER,
    DUMP_DATA,
    DUMP_BSS,
    DUMP_DEFER,
    DUMP_PANIC,
    DUMP_PROFILE,
    DUMP_ALLOC_SAMPLE,
};

enum {
    DUMP_WORD = 8,
    DUMP_PAGE = 8192,
    DUMP_SMALL = 512, // the largest slot whose span holds its own metadata (MinSizeForMallocHeader)
    DUMP_SPAN_BITMAP = 128, // mbitmap.go:spanHeapBitsRange
    DUMP_SPAN_MARKS = 128,  // mgcmark_greenteagc.go:spanInlineMarkBits
    DUMP_PAUSES = 256,
    DUMP_POLL_EVERY = 4096,
};

struct godump_raw_object {
    uint64_t addr;    // from base
    uint64_t content; // offset in the input
    uint64_t slot;    // first of its slots in dump.slot
    uint32_t size;
    uint32_t nslots;
};

struct godump_raw_root {
    uint64_t addr; // what it points to, from base
    uint32_t off;
    int32_t g;
    int32_t frame;
    uint8_t kind;
};

struct godump_raw_finalizer {
    uint64_t object, fn; // from base, or GODUMP_NOWHERE
};

#define GODUMP_NOWHERE UINT64_MAX

// One reading. Every function that can fail returns false after calling godump_fail.
struct godump {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t at;
    int (*poll)(void *);
    void *poll_arg;
    unsigned poll_in;
    struct godump_error *error;
    struct godump_result *result;

    bool has_params;
    uint64_t g_addr; // the goroutine that frames, defers and panics belong to
    struct godump_raw_object *object;
    uint64_t objects, object_room;
    uint32_t *slot;
    uint64_t slots, slot_room;
    struct godump_raw_root *root;
    uint64_t roots, root_room;
    struct godump_raw_finalizer *finalizer;
    uint64_t finalizers, finalizer_room;
    uint64_t goroutine_room, frame_room, name_room;
    uint32_t *name_table; // index + 1 into result->name, by hash
    uint64_t name_buckets;

    // Where is address x: first object at or behind each bucket of 2^find_shift bytes.
    uint32_t *find_first;
    uint64_t find_buckets;
    unsigned find_shift;
};

CORE COLD bool godump_fail(struct godump *d, enum godump_code code, uint64_t offset,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

CORE COLD bool godump_fail(struct godump *d, enum godump_code code, uint64_t offset,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    d->error->code = code;
    d->error->offset = offset;
    vsnprintf(d->error->message, sizeof d->error->message, format, args);
    va_end(args);
    return false;
}

CORE bool godump_polled(struct godump *d)
{
    if (LIKELY(--d->poll_in != 0))
        return true;
    d->poll_in = DUMP_POLL_EVERY;
    if (d->poll != NULL && d->poll(d->poll_arg) != 0)
        return godump_fail(d, GODUMP_STOPPED, d->at, "stopped");
    return true;
}

// ---- Memory ----

// At least one byte, so that an empty array is not taken for a failure.
CORE void *godump_alloc(struct godump *d, uint64_t count, size_t item_bytes)
{
    void *p = NULL;
    if (count <= SIZE_MAX / 2 / item_bytes)
        p = GODUMP_REALLOC(NULL, count > 0 ? (size_t)count * item_bytes : 1);
    if (p == NULL)
        godump_fail(d, GODUMP_NO_MEMORY, d->at, "no memory for %llu items of %zu bytes",
                    (unsigned long long)count, item_bytes);
    return p;
}

CORE bool godump_grow(struct godump *d, void *items, uint64_t *room, size_t item_bytes)
{
    uint64_t more = *room + *room / 2 + 64;
    void *old, *p = NULL;
    memcpy(&old, items, sizeof old); // items is the address of a pointer of some type
    if (more <= SIZE_MAX / 2 / item_bytes)
        p = GODUMP_REALLOC(old, (size_t)more * item_bytes);
    if (p == NULL)
        return godump_fail(d, GODUMP_NO_MEMORY, d->at, "no memory for %llu items of %zu bytes",
                           (unsigned long long)more, item_bytes);
    memcpy(items, &p, sizeof p);
    *room = more;
    return true;
}

// Room for one more item in a growing array.
#define GODUMP_ROOM(d, items, count, room)                                                         \
    (LIKELY((count) < (room)) || godump_grow(d, &(items), &(room), sizeof *(items)))

CORE void godump_free(struct godump_result *r)
{
    free(r->obj_addr);
    free(r->obj_content);
    free(r->obj_size);
    free(r->obj_noscan);
    free(r->obj_nslots);
    free(r->obj_ptrend);
    free(r->obj_reach);
    free(r->slot_start);
    free(r->slot_off);
    free(r->edge_start);
    free(r->edge_count);
    free(r->edge_off);
    free(r->edge_dst);
    free(r->edge_dst_off);
    free(r->root_kind);
    free(r->root_g);
    free(r->root_frame);
    free(r->root_off);
    free(r->root_dst);
    free(r->root_dst_off);
    free(r->goroutine);
    free(r->frame_name);
    free(r->name);
    free(r->finalizer);
    memset(r, 0, sizeof *r);
}

// ---- Bytes ----

CORE COLD bool godump_read_int_slow(struct godump *d, uint64_t *value)
{
    uint64_t start = d->at, v = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (d->at >= d->size)
            return godump_fail(d, GODUMP_MALFORMED, start, "the dump ends within a number");
        uint8_t b = d->bytes[d->at++];
        if (i == 9 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            *value = v;
            return true;
        }
    }
    return godump_fail(d, GODUMP_MALFORMED, start, "a number has more than 64 bits");
}

CORE_INLINE bool godump_read_int(struct godump *d, uint64_t *value)
{
    if (LIKELY(d->size - d->at >= 2)) { // most numbers are tags, field kinds and offsets
        uint8_t low = d->bytes[d->at];
        if (low < 0x80) {
            *value = low;
            d->at += 1;
            return true;
        }
        uint8_t high = d->bytes[d->at + 1];
        if (high < 0x80) {
            *value = (low & 0x7fu) | (uint64_t)high << 7;
            d->at += 2;
            return true;
        }
    }
    return godump_read_int_slow(d, value);
}

CORE bool godump_read_ints(struct godump *d, uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!godump_read_int(d, &values[i]))
            return false;
    return true;
}

CORE bool godump_read_range(struct godump *d, const char *what, struct godump_text *range)
{
    uint64_t start = d->at;
    if (!godump_read_int(d, &range->length))
        return false;
    if (range->length > d->size - d->at)
        return godump_fail(d, GODUMP_MALFORMED, start, "%s of %llu bytes: only %llu are left", what,
                           (unsigned long long)range->length,
                           (unsigned long long)(d->size - d->at));
    if (range->length > UINT32_MAX)
        return godump_fail(d, GODUMP_UNSUPPORTED, start, "%s of %llu bytes: 4 GiB or more", what,
                           (unsigned long long)range->length);
    range->offset = d->at;
    d->at += range->length;
    return true;
}

CORE_INLINE uint64_t godump_word(const struct godump *d, uint64_t offset)
{
    uint64_t v;
    memcpy(&v, d->bytes + offset, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

CORE bool godump_text_is(const struct godump *d, struct godump_text t, const char *s)
{
    return t.length == strlen(s) && memcmp(d->bytes + t.offset, s, t.length) == 0;
}

// Cut a text for a message; bytes that are not printable become dots.
CORE const char *godump_text_show(const struct godump *d, struct godump_text t, char *out,
                                  size_t room)
{
    size_t n = t.length < room - 1 ? (size_t)t.length : room - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = d->bytes[t.offset + i];
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '.';
    }
    out[n] = 0;
    return out;
}

// The next pointer field of a list: *more is false at its end.
CORE_INLINE bool godump_read_field(struct godump *d, bool *more, uint64_t *offset)
{
    uint64_t start = d->at, kind;
    if (!godump_read_int(d, &kind))
        return false;
    *more = kind != 0;
    if (kind == 0)
        return true;
    if (UNLIKELY(kind != 1))
        return godump_fail(d, GODUMP_MALFORMED, start, "unknown kind of field %llu",
                           (unsigned long long)kind);
    return godump_read_int(d, offset);
}

// ---- Names ----

CORE uint64_t godump_name_hash(const uint8_t *s, uint64_t n)
{
    uint64_t h = 1469598103934665603ull;
    for (uint64_t i = 0; i < n; i++)
        h = (h ^ s[i]) * 1099511628211ull;
    return h ^ h >> 29;
}

CORE bool godump_name_table_grow(struct godump *d)
{
    uint64_t buckets = d->name_buckets > 0 ? 2 * d->name_buckets : 64;
    uint32_t *table = godump_alloc(d, buckets, sizeof *table);
    if (table == NULL)
        return false;
    memset(table, 0, buckets * sizeof *table);
    for (uint64_t i = 0; i < d->result->names; i++) {
        struct godump_text t = d->result->name[i];
        uint64_t b = godump_name_hash(d->bytes + t.offset, t.length) & (buckets - 1);
        while (table[b] != 0)
            b = (b + 1) & (buckets - 1);
        table[b] = (uint32_t)i + 1;
    }
    free(d->name_table);
    d->name_table = table;
    d->name_buckets = buckets;
    return true;
}

// The index of a name, the same for equal texts.
CORE bool godump_name_intern(struct godump *d, struct godump_text t, uint32_t *index)
{
    struct godump_result *r = d->result;
    if (2 * r->names >= d->name_buckets && !godump_name_table_grow(d))
        return false;
    uint64_t b = godump_name_hash(d->bytes + t.offset, t.length) & (d->name_buckets - 1);
    for (; d->name_table[b] != 0; b = (b + 1) & (d->name_buckets - 1)) {
        struct godump_text have = r->name[d->name_table[b] - 1];
        if (have.length == t.length &&
            memcmp(d->bytes + have.offset, d->bytes + t.offset, t.length) == 0) {
            *index = d->name_table[b] - 1;
            return true;
        }
    }
    if (r->names >= INT32_MAX)
        return godump_fail(d, GODUMP_UNSUPPORTED, d->at, "more than 2^31 names");
    if (!GODUMP_ROOM(d, r->name, r->names, d->name_room))
        return false;
    *index = (uint32_t)r->names;
    r->name[r->names++] = t;
    d->name_table[b] = *index + 1;
    return true;
}

// ---- Records ----

CORE bool godump_params(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t start = d->at, v[4];
    char shown[40];
    if (d->has_params)
        return godump_fail(d, GODUMP_MALFORMED, start, "a second record of parameters");
    if (!godump_read_ints(d, v, 4) || !godump_read_range(d, "name of the architecture", &r->arch) ||
        !godump_read_range(d, "Go version", &r->go_version) || !godump_read_int(d, &r->cpus))
        return false;
    r->is_big_endian = v[0] != 0;
    r->pointer_bytes = v[1];
    r->base = v[2];
    r->heap_end = v[3];
    godump_text_show(d, r->arch, shown, sizeof shown);
    if (r->is_big_endian)
        return godump_fail(d, GODUMP_UNSUPPORTED, start, "dump of a big-endian machine (%s)",
                           shown);
    if (r->pointer_bytes != DUMP_WORD)
        return godump_fail(d, GODUMP_UNSUPPORTED, start, "pointers of %llu bytes (%s), not of 8",
                           (unsigned long long)r->pointer_bytes, shown);
    if (!godump_text_is(d, r->arch, "amd64") && !godump_text_is(d, r->arch, "arm64"))
        return godump_fail(d, GODUMP_UNSUPPORTED, start,
                           "architecture %s: only amd64 and arm64 are read", shown);
    if (r->base > r->heap_end || r->base % DUMP_PAGE != 0)
        return godump_fail(d, GODUMP_MALFORMED, start, "a heap from 0x%llx to 0x%llx",
                           (unsigned long long)r->base, (unsigned long long)r->heap_end);
    d->has_params = true;
    return true;
}

CORE bool godump_object(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t start = d->at, addr, off = 0;
    struct godump_text content;
    if (!godump_read_int(d, &addr) || !godump_read_range(d, "object", &content))
        return false;
    if (content.length == 0 || content.length % DUMP_WORD != 0 || addr % DUMP_WORD != 0)
        return godump_fail(d, GODUMP_MALFORMED, start,
                           "object of %llu bytes at 0x%llx: not whole words",
                           (unsigned long long)content.length, (unsigned long long)addr);
    if (addr < r->base || addr > r->heap_end || content.length > r->heap_end - addr)
        return godump_fail(d, GODUMP_MALFORMED, start,
                           "object of %llu bytes at 0x%llx lies outside the heap",
                           (unsigned long long)content.length, (unsigned long long)addr);
    if (d->objects >= INT32_MAX)
        return godump_fail(d, GODUMP_UNSUPPORTED, start, "more than 2^31 objects");
    if (!GODUMP_ROOM(d, d->object, d->objects, d->object_room))
        return false;
    struct godump_raw_object *o = &d->object[d->objects++];
    *o = (struct godump_raw_object){addr - r->base, content.offset, d->slots,
                                    (uint32_t)content.length, 0};
    uint64_t end = 0; // behind the last slot
    for (;;) {
        bool more = false;
        uint64_t at = d->at;
        if (UNLIKELY(!godump_read_field(d, &more, &off)))
            return false;
        if (!more)
            break;
        if (UNLIKELY(off % DUMP_WORD != 0 || off < end || off > content.length - DUMP_WORD))
            return godump_fail(d, GODUMP_MALFORMED, at,
                               "pointer slot at offset %llu of an object of %llu bytes",
                               (unsigned long long)off, (unsigned long long)content.length);
        if (!GODUMP_ROOM(d, d->slot, d->slots, d->slot_room))
            return false;
        d->slot[d->slots++] = (uint32_t)off;
        end = off + DUMP_WORD;
    }
    o->nslots = (uint32_t)(d->slots - o->slot);
    return true;
}

// Keep a root if its value can be an address of an object; which one is known at the end.
CORE bool godump_root_add(struct godump *d, uint8_t kind, int32_t g, int32_t frame, uint64_t off,
                          uint64_t value)
{
    struct godump_result *r = d->result;
    if (value < r->base || value >= r->heap_end)
        return true;
    if (!GODUMP_ROOM(d, d->root, d->roots, d->root_room))
        return false;
    d->root[d->roots++] = (struct godump_raw_root){value - r->base, (uint32_t)off, g, frame, kind};
    return true;
}

CORE bool godump_segment(struct godump *d, uint8_t kind)
{
    uint64_t addr, off = 0, end = 0;
    struct godump_text content;
    if (!godump_read_int(d, &addr) || !godump_read_range(d, "segment", &content))
        return false;
    uint64_t *segment = d->result->segment + (kind == GODUMP_ROOT_BSS ? 3 : 0);
    segment[0] = addr;
    segment[1] = content.offset;
    segment[2] = content.length;
    for (;;) {
        bool more = false;
        uint64_t at = d->at;
        if (!godump_read_field(d, &more, &off))
            return false;
        if (!more)
            return true;
        if (off % DUMP_WORD != 0 || off < end || content.length < DUMP_WORD ||
            off > content.length - DUMP_WORD)
            return godump_fail(d, GODUMP_MALFORMED, at,
                               "pointer slot at offset %llu of a segment of %llu bytes",
                               (unsigned long long)off, (unsigned long long)content.length);
        end = off + DUMP_WORD;
        if (!godump_root_add(d, kind, -1, -1, off, godump_word(d, content.offset + off)))
            return false;
    }
}

CORE bool godump_goroutine(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t start = d->at, v[8], w[4];
    struct godump_text wait;
    // v: address, sp, id, creator's pc, status, system, background, waiting since; w: context, m,
    // defer, panic
    if (!godump_read_ints(d, v, 8) || !godump_read_range(d, "wait reason", &wait) ||
        !godump_read_ints(d, w, 4))
        return false;
    if (r->goroutines >= INT32_MAX)
        return godump_fail(d, GODUMP_UNSUPPORTED, start, "more than 2^31 goroutines");
    if (!GODUMP_ROOM(d, r->goroutine, r->goroutines, d->goroutine_room))
        return false;
    d->g_addr = v[0];
    r->goroutine[r->goroutines++] = (struct godump_goroutine){v[2], v[4], v[5] != 0, wait, 0};
    return godump_root_add(d, GODUMP_ROOT_GOROUTINE, (int32_t)r->goroutines - 1, -1, 0, w[0]);
}

CORE bool godump_frame(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t start = d->at, v[3], w[3], fields = 0;
    struct godump_text content, text;
    uint32_t name;
    // v: sp, depth, sp of the callee; w: entry, pc, where it continues
    if (!godump_read_ints(d, v, 3) || !godump_read_range(d, "stack frame", &content) ||
        !godump_read_ints(d, w, 3) || !godump_read_range(d, "function name", &text) ||
        !godump_name_intern(d, text, &name))
        return false;
    if (r->goroutines == 0)
        return godump_fail(d, GODUMP_MALFORMED, start, "a stack frame before any goroutine");
    if (!GODUMP_ROOM(d, r->frame_name, r->frames, d->frame_room))
        return false;
    r->frame_name[r->frames++] = name;
    r->goroutine[r->goroutines - 1].frames++;
    for (;;) {
        bool more = false;
        uint64_t off = 0, at = d->at;
        if (!godump_read_field(d, &more, &off))
            return false;
        if (!more)
            return true;
        // Two areas, arguments for the callee and locals, may overlap by little
        // (heapdump.go:dumpframe).
        if (++fields > content.length / 4 + 16)
            return godump_fail(d, GODUMP_MALFORMED, at,
                               "more slots than a frame of %llu bytes can have",
                               (unsigned long long)content.length);
        if (content.length < DUMP_WORD || off > content.length - DUMP_WORD)
            continue; // where Go only guesses, it may name a word that it did not write
        if (!godump_root_add(d, GODUMP_ROOT_STACK, (int32_t)r->goroutines - 1, (int32_t)name, off,
                             godump_word(d, content.offset + off)))
            return false;
    }
}

// A defer or panic record: its own address, and what the words at `from` point to, are roots of the
// goroutine.
CORE bool godump_of_goroutine(struct godump *d, unsigned ints, unsigned from, unsigned to)
{
    uint64_t start = d->at, v[8];
    if (!godump_read_ints(d, v, ints))
        return false;
    if (d->result->goroutines == 0 || v[1] != d->g_addr)
        return godump_fail(d, GODUMP_MALFORMED, start,
                           "a defer or panic record that follows another goroutine");
    int32_t g = (int32_t)d->result->goroutines - 1;
    if (!godump_root_add(d, GODUMP_ROOT_GOROUTINE, g, -1, 0, v[0]))
        return false;
    for (unsigned i = from; i < to; i++)
        if (!godump_root_add(d, GODUMP_ROOT_GOROUTINE, g, -1, 0, v[i]))
            return false;
    return true;
}

CORE uint64_t godump_address_in_heap(const struct godump *d, uint64_t addr)
{
    const struct godump_result *r = d->result;
    return addr >= r->base && addr < r->heap_end ? addr - r->base : GODUMP_NOWHERE;
}

CORE bool godump_finalizer(struct godump *d)
{
    uint64_t v[5]; // object, function value, its code, type of the argument, type of the object
    if (!godump_read_ints(d, v, 5) ||
        !GODUMP_ROOM(d, d->finalizer, d->finalizers, d->finalizer_room))
        return false;
    d->finalizer[d->finalizers++] = (struct godump_raw_finalizer){godump_address_in_heap(d, v[0]),
                                                                  godump_address_in_heap(d, v[1])};
    return godump_root_add(d, GODUMP_ROOT_FINALIZER_FN, -1, -1, 0, v[1]) &&
           godump_root_add(d, GODUMP_ROOT_FINALIZER_OBJ, -1, -1, 0, v[0]);
}

// A queue entry is all roots; offsets are those of its fields (mfinal.go:finalizer).
CORE bool godump_queued_finalizer(struct godump *d)
{
    uint64_t v[5];
    return godump_read_ints(d, v, 5) &&
           godump_root_add(d, GODUMP_ROOT_QUEUED_FINALIZER, -1, -1, 0, v[1]) &&
           godump_root_add(d, GODUMP_ROOT_QUEUED_FINALIZER, -1, -1, 8, v[0]) &&
           godump_root_add(d, GODUMP_ROOT_QUEUED_FINALIZER, -1, -1, 24, v[3]) &&
           godump_root_add(d, GODUMP_ROOT_QUEUED_FINALIZER, -1, -1, 32, v[4]);
}

CORE bool godump_other_root(struct godump *d)
{
    struct godump_text description;
    uint64_t to;
    uint32_t name;
    return godump_read_range(d, "description of a root", &description) && godump_read_int(d, &to) &&
           godump_name_intern(d, description, &name) &&
           godump_root_add(d, GODUMP_ROOT_OTHER, -1, (int32_t)name, 0, to);
}

CORE bool godump_memstats(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t start = d->at, pause;
    if (r->has_memstats)
        return godump_fail(d, GODUMP_MALFORMED, start, "a second record of memory statistics");
    if (!godump_read_ints(d, r->memstats, GODUMP_MEMSTATS - 1))
        return false;
    for (unsigned i = 0; i < DUMP_PAUSES; i++)
        if (!godump_read_int(d, &pause))
            return false;
    r->has_memstats = true;
    return godump_read_int(d, &r->memstats[GODUMP_MEMSTATS - 1]);
}

// Allocation profiles and types are not part of the graph: only checked to be whole.
CORE bool godump_profile(struct godump *d)
{
    uint64_t v[3], frames;
    struct godump_text text;
    if (!godump_read_ints(d, v, 2) || !godump_read_int(d, &frames))
        return false;
    for (uint64_t i = 0; i < frames; i++)
        if (!godump_read_range(d, "function name", &text) ||
            !godump_read_range(d, "file name", &text) || !godump_read_int(d, &v[2]) ||
            !godump_polled(d))
            return false;
    return godump_read_ints(d, v, 2);
}

CORE bool godump_type(struct godump *d)
{
    uint64_t v[3];
    struct godump_text name;
    return godump_read_ints(d, v, 2) && godump_read_range(d, "type name", &name) &&
           godump_read_int(d, &v[2]);
}

CORE bool godump_read_record(struct godump *d, bool *more)
{
    uint64_t start = d->at, tag, v[3];
    if (start == d->size)
        return godump_fail(d, GODUMP_MALFORMED, start,
                           "the dump is truncated: it has no end record");
    if (!godump_read_int(d, &tag))
        return false;
    if (!d->has_params && tag != DUMP_PARAMS)
        return godump_fail(d, GODUMP_MALFORMED, start,
                           "the first record has tag %llu: parameters have to come first",
                           (unsigned long long)tag);
    *more = tag != DUMP_EOF;
    switch (tag) {
    case DUMP_EOF:
        if (d->at != d->size)
            return godump_fail(d, GODUMP_MALFORMED, d->at, "%llu bytes behind the end record",
                               (unsigned long long)(d->size - d->at));
        return true;
    case DUMP_OBJECT:
        return godump_object(d);
    case DUMP_OTHER_ROOT:
        return godump_other_root(d);
    case DUMP_TYPE:
        return godump_type(d);
    case DUMP_GOROUTINE:
        return godump_goroutine(d);
    case DUMP_FRAME:
        return godump_frame(d);
    case DUMP_PARAMS:
        return godump_params(d);
    case DUMP_FINALIZER:
        return godump_finalizer(d);
    case DUMP_ITAB:
        return godump_read_ints(d, v, 2);
    case DUMP_THREAD:
        return godump_read_ints(d, v, 3);
    case DUMP_MEMSTATS:
        return godump_memstats(d);
    case DUMP_QUEUED_FINALIZER:
        return godump_queued_finalizer(d);
    case DUMP_DATA:
        return godump_segment(d, GODUMP_ROOT_DATA);
    case DUMP_BSS:
        return godump_segment(d, GODUMP_ROOT_BSS);
    case DUMP_DEFER:
        return godump_of_goroutine(d, 7, 4, 5); // record, g, sp, pc, function, its code, next
    case DUMP_PANIC:
        return godump_of_goroutine(d, 6, 2, 4); // record, g, type and data of the argument, 0, next
    case DUMP_PROFILE:
        return godump_profile(d);
    case DUMP_ALLOC_SAMPLE:
        return godump_read_ints(d, v, 2);
    default:
        return godump_fail(d, GODUMP_MALFORMED, start, "unknown record tag %llu",
                           (unsigned long long)tag);
    }
}

CORE bool godump_read_records(struct godump *d)
{
    size_t magic = strlen(GODUMP_MAGIC);
    if (d->size < magic || memcmp(d->bytes, GODUMP_MAGIC, magic) != 0)
        return godump_fail(d, GODUMP_MALFORMED, 0, "does not begin with \"go1.7 heap dump\"");
    d->at = magic;
    for (bool more = true; more;)
        if (!godump_read_record(d, &more) || !godump_polled(d))
            return false;
    return true;
}

// ---- Objects by address ----

struct godump_sort_row {
    uint64_t key;
    uint32_t index;
};

// Stable radix sort by 11 bits of the word number, as many passes as the heap's extent needs.
CORE struct godump_sort_row *godump_sort_rows(struct godump_sort_row *from,
                                              struct godump_sort_row *to, uint64_t n,
                                              uint64_t largest)
{
    for (unsigned shift = 0; shift < 64 && largest >> shift != 0; shift += 11) {
        uint64_t start[2048] = {0}, sum = 0;
        for (uint64_t i = 0; i < n; i++)
            start[from[i].key >> shift & 2047]++;
        for (unsigned b = 0; b < 2048; b++) {
            uint64_t count = start[b];
            start[b] = sum;
            sum += count;
        }
        for (uint64_t i = 0; i < n; i++)
            to[start[from[i].key >> shift & 2047]++] = from[i];
        struct godump_sort_row *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

// Apply a permutation in place, cycle by cycle, so that the rows need no second array.
CORE void godump_permute_objects(struct godump_raw_object *object, struct godump_sort_row *rows,
                                 uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (rows[i].index == i)
            continue;
        struct godump_raw_object first = object[i];
        uint64_t to = i;
        while (rows[to].index != i) {
            uint64_t from = rows[to].index;
            object[to] = object[from];
            rows[to].index = (uint32_t)to;
            to = from;
        }
        object[to] = first;
        rows[to].index = (uint32_t)to;
    }
}

CORE bool godump_sort_objects(struct godump *d)
{
    uint64_t n = d->objects, largest = 0;
    struct godump_sort_row *rows = godump_alloc(d, 2 * n, sizeof *rows);
    if (rows == NULL)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = (struct godump_sort_row){d->object[i].addr / DUMP_WORD, (uint32_t)i};
        if (rows[i].key > largest)
            largest = rows[i].key;
    }
    godump_permute_objects(d->object, godump_sort_rows(rows, rows + n, n, largest), n);
    free(rows);
    return true;
}

// Objects do not overlap; small ones stand on a slot of their page and share it with their own size
// only.
CORE bool godump_check_objects(struct godump *d)
{
    uint64_t base = d->result->base;
    for (uint64_t i = 0; i < d->objects; i++) {
        const struct godump_raw_object *o = &d->object[i], *before = i > 0 ? o - 1 : NULL;
        unsigned long long shown = base + o->addr;
        if (before != NULL && before->addr + before->size > o->addr)
            return godump_fail(d, GODUMP_MALFORMED, o->content,
                               before->addr == o->addr ? "a second object at 0x%llx"
                                                       : "object at 0x%llx overlaps the one before",
                               shown);
        if (o->size > DUMP_SMALL)
            continue;
        if (o->addr % DUMP_PAGE % o->size != 0 || o->addr % DUMP_PAGE + o->size > DUMP_PAGE)
            return godump_fail(d, GODUMP_MALFORMED, o->content,
                               "object at 0x%llx is not on a slot of %u bytes", shown, o->size);
        if (before != NULL && before->size <= DUMP_SMALL &&
            before->addr / DUMP_PAGE == o->addr / DUMP_PAGE && before->size != o->size)
            return godump_fail(d, GODUMP_MALFORMED, o->content,
                               "objects of %u and %u bytes share the page of 0x%llx", before->size,
                               o->size, shown);
    }
    return true;
}

// ---- Phantoms ----

// First byte of a page behind its objects.
CORE uint64_t godump_page_limit(enum godump_spans spans, uint32_t size, bool has_pointers)
{
    uint64_t reserve = 0;
    if (spans >= GODUMP_SPANS_BITMAP && has_pointers)
        reserve += DUMP_SPAN_BITMAP;
    if (spans >= GODUMP_SPANS_INLINE_MARKS && size >= 16)
        reserve += DUMP_SPAN_MARKS;
    return (DUMP_PAGE - reserve) / size * size;
}

// From object i on, those on the same page as it; has_pointers if any of them has a slot.
CORE uint64_t godump_page_end(const struct godump *d, uint64_t i, bool *has_pointers)
{
    uint64_t page = d->object[i].addr / DUMP_PAGE;
    *has_pointers = false;
    for (;
         i < d->objects && d->object[i].size <= DUMP_SMALL && d->object[i].addr / DUMP_PAGE == page;
         i++)
        *has_pointers |= d->object[i].nslots > 0;
    return i;
}

// Objects that are real under a rule and their bytes; `keep` (or null) moves them to the front of
// the array.
CORE void godump_count_real(struct godump *d, enum godump_spans spans, bool keep, uint64_t *objects,
                            uint64_t *bytes)
{
    *objects = *bytes = 0;
    for (uint64_t i = 0; i < d->objects;) {
        bool has_pointers = false;
        uint64_t end = i + 1, limit = DUMP_PAGE;
        if (d->object[i].size <= DUMP_SMALL) {
            end = godump_page_end(d, i, &has_pointers);
            limit = godump_page_limit(spans, d->object[i].size, has_pointers);
        }
        for (; i < end; i++) {
            struct godump_raw_object o = d->object[i];
            if (o.size <= DUMP_SMALL && o.addr % DUMP_PAGE >= limit)
                continue;
            *bytes += o.size;
            if (keep)
                d->object[*objects] = o;
            ++*objects;
        }
    }
}

// Is `word` in the list of experiments of a version like "go1.26.8-X:nogreenteagc,aliastypeparams"
// or "go1.26-custom X:nogreenteagc" (ld/main.go:main, extern.go:Version)?
CORE bool godump_version_has(const char *version, const char *word)
{
    size_t n = strlen(word);
    const char *p = strstr(version, "X:");
    if (p == NULL)
        return false;
    for (p += 2; *p != 0 && *p != ' ';) {
        size_t length = strcspn(p, ", ");
        if (length == n && memcmp(p, word, n) == 0)
            return true;
        p += length + (p[length] == ',');
    }
    return false;
}

// What the version says of spans; false if it says nothing. Pointer bitmaps moved into spans with
// Go 1.22 (experiment allocheaders, on by default), mark bits with the experiment greenteagc of
// Go 1.25, on by default in 1.26.
CORE bool godump_version_spans(const struct godump *d, enum godump_spans *spans)
{
    char version[256];
    godump_text_show(d, d->result->go_version, version, sizeof version);
    const char *p = strstr(version, "go1.");
    if (p == NULL || p[4] < '0' || p[4] > '9')
        return false;
    long minor = strtol(p + 4, NULL, 10);
    bool inline_marks = minor >= 26 ? !godump_version_has(version, "nogreenteagc")
                                    : minor == 25 && godump_version_has(version, "greenteagc");
    if (inline_marks)
        *spans = GODUMP_SPANS_INLINE_MARKS;
    else if (minor >= 22 && !(minor == 22 && godump_version_has(version, "noallocheaders")))
        *spans = GODUMP_SPANS_BITMAP;
    else
        *spans = GODUMP_SPANS_PLAIN;
    return true;
}

CORE bool godump_counts_agree(struct godump *d, enum godump_spans spans)
{
    uint64_t objects, bytes;
    godump_count_real(d, spans, false, &objects, &bytes);
    return objects == d->result->memstats[GODUMP_HEAP_OBJECTS] &&
           bytes == d->result->memstats[GODUMP_HEAP_ALLOC];
}

// The version decides, unless the dump's own statistics agree with another rule to the object and
// the byte (a version string can be set at link time). Statistics are older than the last sweep if
// no collection went before the dump: then they agree with none, and the version is all there is.
CORE bool godump_choose_spans(struct godump *d)
{
    struct godump_result *r = d->result;
    bool is_known = godump_version_spans(d, &r->spans);
    if (r->has_memstats && !(is_known && godump_counts_agree(d, r->spans))) {
        for (int spans = GODUMP_SPANS_INLINE_MARKS; spans >= GODUMP_SPANS_PLAIN; spans--) {
            if (!godump_counts_agree(d, (enum godump_spans)spans))
                continue;
            r->spans = (enum godump_spans)spans;
            r->spans_from_memstats = true;
            return true;
        }
    }
    if (is_known)
        return true;
    char shown[60];
    return godump_fail(
        d, GODUMP_UNSUPPORTED, r->go_version.offset,
        "Go version \"%s\" does not tell the layout of spans, nor do the memory statistics",
        godump_text_show(d, r->go_version, shown, sizeof shown));
}

CORE bool godump_drop_phantoms(struct godump *d)
{
    uint64_t objects, bytes;
    if (!godump_choose_spans(d))
        return false;
    godump_count_real(d, d->result->spans, true, &objects, &bytes);
    d->result->phantoms = d->objects - objects;
    d->objects = objects;
    return true;
}

// ---- Columns of objects ----

CORE bool godump_make_objects(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t n = d->objects, slots = 0;
    for (uint64_t i = 0; i < n; i++)
        slots += d->object[i].nslots;
    if (!(r->obj_addr = godump_alloc(d, n, sizeof *r->obj_addr)) ||
        !(r->obj_content = godump_alloc(d, n, sizeof *r->obj_content)) ||
        !(r->obj_size = godump_alloc(d, n, sizeof *r->obj_size)) ||
        !(r->obj_noscan = godump_alloc(d, n, sizeof *r->obj_noscan)) ||
        !(r->obj_nslots = godump_alloc(d, n, sizeof *r->obj_nslots)) ||
        !(r->obj_ptrend = godump_alloc(d, n, sizeof *r->obj_ptrend)) ||
        !(r->slot_start = godump_alloc(d, n + 1, sizeof *r->slot_start)) ||
        !(r->slot_off = godump_alloc(d, slots, sizeof *r->slot_off)))
        return false;
    r->objects = n;
    r->slot_start[0] = 0;
    for (uint64_t i = 0; i < n; i++) {
        const struct godump_raw_object *o = &d->object[i];
        r->obj_addr[i] = o->addr;
        r->obj_content[i] = o->content;
        r->obj_size[i] = o->size;
        r->obj_noscan[i] = o->nslots == 0;
        r->obj_nslots[i] = o->nslots;
        r->obj_ptrend[i] = o->nslots > 0 ? d->slot[o->slot + o->nslots - 1] + DUMP_WORD : 0;
        if (o->nslots > 0)
            memcpy(r->slot_off + r->slots, d->slot + o->slot, o->nslots * sizeof *r->slot_off);
        r->slots += o->nslots;
        r->slot_start[i + 1] = r->slots;
    }
    free(d->slot);
    d->slot = NULL;
    return true;
}

// ---- Which object holds an address ----

CORE bool godump_find_build(struct godump *d)
{
    const struct godump_result *r = d->result;
    uint64_t n = r->objects, extent = n > 0 ? r->obj_addr[n - 1] + r->obj_size[n - 1] : 0;
    while (extent >> d->find_shift > 2 * n)
        d->find_shift++;
    d->find_buckets = (extent >> d->find_shift) + 1;
    d->find_first = godump_alloc(d, d->find_buckets + 1, sizeof *d->find_first);
    if (d->find_first == NULL)
        return false;
    uint64_t bucket = 0;
    for (uint64_t i = 0; i < n; i++)
        for (; bucket <= r->obj_addr[i] >> d->find_shift; bucket++)
            d->find_first[bucket] = (uint32_t)i;
    for (; bucket <= d->find_buckets; bucket++)
        d->find_first[bucket] = (uint32_t)n;
    return true;
}

// The object whose slot holds `addr`, or -1.
CORE int32_t godump_find_object(const struct godump *d, uint64_t addr, uint32_t *off)
{
    const struct godump_result *r = d->result;
    uint64_t bucket = addr >> d->find_shift;
    if (bucket >= d->find_buckets)
        return -1;
    uint32_t low = d->find_first[bucket], high = d->find_first[bucket + 1];
    while (low < high) { // the first object behind addr
        uint32_t middle = low + (high - low) / 2;
        if (r->obj_addr[middle] <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || addr - r->obj_addr[low - 1] >= r->obj_size[low - 1])
        return -1;
    *off = (uint32_t)(addr - r->obj_addr[low - 1]);
    return (int32_t)(low - 1);
}

// ---- Edges and roots ----

// How many slots hold an address of the heap: at least as many as there are edges.
CORE uint64_t godump_count_heap_words(const struct godump *d)
{
    const struct godump_result *r = d->result;
    uint64_t count = 0;
    for (uint64_t i = 0; i < r->objects; i++)
        for (uint64_t s = r->slot_start[i]; s < r->slot_start[i + 1]; s++)
            count +=
                godump_address_in_heap(d, godump_word(d, d->object[i].content + r->slot_off[s])) !=
                GODUMP_NOWHERE;
    return count;
}

CORE bool godump_make_edges(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t room = godump_count_heap_words(d);
    if (!(r->edge_start = godump_alloc(d, r->objects + 1, sizeof *r->edge_start)) ||
        !(r->edge_count = godump_alloc(d, r->objects, sizeof *r->edge_count)) ||
        !(r->edge_off = godump_alloc(d, room, sizeof *r->edge_off)) ||
        !(r->edge_dst = godump_alloc(d, room, sizeof *r->edge_dst)) ||
        !(r->edge_dst_off = godump_alloc(d, room, sizeof *r->edge_dst_off)))
        return false;
    r->edge_start[0] = 0;
    for (uint64_t i = 0; i < r->objects; i++) {
        for (uint64_t s = r->slot_start[i]; s < r->slot_start[i + 1]; s++) {
            uint64_t addr =
                godump_address_in_heap(d, godump_word(d, d->object[i].content + r->slot_off[s]));
            uint32_t off;
            int32_t dst = addr == GODUMP_NOWHERE ? -1 : godump_find_object(d, addr, &off);
            if (dst < 0)
                continue;
            r->edge_off[r->edges] = r->slot_off[s];
            r->edge_dst[r->edges] = dst;
            r->edge_dst_off[r->edges++] = off;
        }
        r->edge_start[i + 1] = r->edges;
        r->edge_count[i] = (uint32_t)(r->edges - r->edge_start[i]);
        if (!godump_polled(d))
            return false;
    }
    return true;
}

// In the order of their kinds, and of the dump within each.
CORE bool godump_make_roots(struct godump *d)
{
    struct godump_result *r = d->result;
    uint64_t n = d->roots;
    if (!(r->root_kind = godump_alloc(d, n, sizeof *r->root_kind)) ||
        !(r->root_g = godump_alloc(d, n, sizeof *r->root_g)) ||
        !(r->root_frame = godump_alloc(d, n, sizeof *r->root_frame)) ||
        !(r->root_off = godump_alloc(d, n, sizeof *r->root_off)) ||
        !(r->root_dst = godump_alloc(d, n, sizeof *r->root_dst)) ||
        !(r->root_dst_off = godump_alloc(d, n, sizeof *r->root_dst_off)))
        return false;
    for (uint8_t kind = GODUMP_ROOT_DATA; kind < GODUMP_ROOT_KINDS; kind++) {
        for (uint64_t i = 0; i < n; i++) {
            const struct godump_raw_root *from = &d->root[i];
            uint32_t off;
            int32_t dst = from->kind == kind ? godump_find_object(d, from->addr, &off) : -1;
            if (dst < 0)
                continue;
            r->root_kind[r->roots] = kind;
            r->root_g[r->roots] = from->g;
            r->root_frame[r->roots] = from->frame;
            r->root_off[r->roots] = from->off;
            r->root_dst[r->roots] = dst;
            r->root_dst_off[r->roots++] = off;
        }
    }
    return true;
}

CORE void godump_find_optional(const struct godump *d, uint64_t addr, int64_t *object,
                               int64_t *object_off)
{
    uint32_t off = 0;
    *object = addr == GODUMP_NOWHERE ? -1 : godump_find_object(d, addr, &off);
    *object_off = *object < 0 ? 0 : off;
}

CORE bool godump_make_finalizers(struct godump *d)
{
    struct godump_result *r = d->result;
    if (!(r->finalizer = godump_alloc(d, d->finalizers, sizeof *r->finalizer)))
        return false;
    for (; r->finalizers < d->finalizers; r->finalizers++) {
        struct godump_finalizer *f = &r->finalizer[r->finalizers];
        godump_find_optional(d, d->finalizer[r->finalizers].object, &f->object, &f->object_off);
        godump_find_optional(d, d->finalizer[r->finalizers].fn, &f->fn, &f->fn_off);
    }
    return true;
}

// ---- Reach ----

// Queue what object i points to and nothing has reached yet.
CORE_INLINE uint64_t godump_reach_from(uint64_t i, const uint64_t *edge_start,
                                       const int32_t *edge_dst, uint8_t *reach, uint32_t *queue,
                                       uint64_t count)
{
    for (uint64_t e = edge_start[i]; e < edge_start[i + 1]; e++) {
        int32_t dst = edge_dst[e];
        if (!reach[dst]) {
            reach[dst] = 1;
            queue[count++] = (uint32_t)dst;
        }
    }
    return count;
}

CORE uint64_t godump_reach(uint64_t n, const uint64_t *edge_start, const int32_t *edge_dst,
                           uint64_t roots, const uint8_t *root_kind, const int32_t *root_dst,
                           const uint8_t *use, uint8_t *reach, uint32_t *queue)
{
    uint64_t count = 0;
    memset(reach, 0, n);
    for (uint64_t i = 0; i < roots; i++) {
        int32_t dst = root_dst[i];
        if (use != NULL && !use[i])
            continue;
        if (root_kind[i] == GODUMP_ROOT_FINALIZER_OBJ)
            count = godump_reach_from((uint64_t)dst, edge_start, edge_dst, reach, queue, count);
        else if (!reach[dst]) {
            reach[dst] = 1;
            queue[count++] = (uint32_t)dst;
        }
    }
    for (uint64_t done = 0; done < count; done++)
        count = godump_reach_from(queue[done], edge_start, edge_dst, reach, queue, count);
    return count;
}

CORE bool godump_make_reach(struct godump *d)
{
    struct godump_result *r = d->result;
    uint32_t *queue = godump_alloc(d, r->objects, sizeof *queue);
    if (queue == NULL || !(r->obj_reach = godump_alloc(d, r->objects, sizeof *r->obj_reach))) {
        free(queue);
        return false;
    }
    godump_reach(r->objects, r->edge_start, r->edge_dst, r->roots, r->root_kind, r->root_dst, NULL,
                 r->obj_reach, queue);
    free(queue);
    return true;
}

// ---- All of it ----

CORE bool godump_run(struct godump *d)
{
    return godump_read_records(d) && godump_sort_objects(d) && godump_check_objects(d) &&
           godump_drop_phantoms(d) && godump_make_objects(d) && godump_find_build(d) &&
           godump_make_edges(d) && godump_make_roots(d) && godump_make_finalizers(d) &&
           godump_make_reach(d);
}

CORE enum godump_code godump_parse(const void *bytes, uint64_t size, int (*poll)(void *),
                                   void *poll_arg, struct godump_result *result,
                                   struct godump_error *error)
{
    struct godump d = {.bytes = bytes,
                       .size = size,
                       .poll = poll,
                       .poll_arg = poll_arg,
                       .poll_in = DUMP_POLL_EVERY,
                       .error = error,
                       .result = result};
    memset(result, 0, sizeof *result);
    memset(error, 0, sizeof *error);
    if (!godump_run(&d))
        godump_free(result);
    free(d.object);
    free(d.slot);
    free(d.root);
    free(d.finalizer);
    free(d.name_table);
    free(d.find_first);
    return error->code;
}
