// instantiations: fast step
//
// lib/slice and lib/string: what Go's append, copy, s[a:b:c] and string concatenation do, on the public API. Capacities are those
// that Go 1.26 printed.
#include "harness.h"

#include "lib/slice.c"
#include "lib/string.c"

static const gcsim_type *elem_type(mut *m, uint64_t bytes, uint64_t ptr_bytes, uint64_t mask)
{
    gcsim_status status;
    gcsim_type_desc desc = {
        .name = "t", .bytes = bytes, .ptr_bytes = ptr_bytes, .mask = &mask, .align = 1};
    const gcsim_type *t = API->type_new(m->heap, &desc, &status);
    INVARIANT(t);
    return t;
}

// for i := 0; i < 3000; i++ { s = append(s, v) }: the capacities in turn.
static void growth_is_go_s(mut *m)
{
    static const struct {
        uint64_t bytes, ptr_bytes;
        int64_t caps[16];
    } go[] = {
        {1, 0, {8, 16, 32, 64, 128, 256, 512, 896, 1408, 2048, 3072}},
        {3, 0, {2, 5, 10, 21, 42, 85, 170, 341, 682, 1066, 1621, 2261, 3157}},
        {8, 0, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 848, 1280, 1792, 2560, 3408}},
        {8, 8, {1, 2, 4, 8, 16, 32, 64, 143, 287, 607, 1023, 1535, 2303, 3071}},
        {24, 8, {1, 2, 4, 8, 16, 37, 74, 170, 341, 682, 1135, 1706, 2389, 3413}},
        {40, 0, {1, 2, 4, 8, 16, 32, 67, 134, 272, 544, 1024, 1638, 2252, 3072}},
    };
    for (unsigned k = 0; k < sizeof go / sizeof *go; k++) {
        const gcsim_type *t = elem_type(m, go[k].bytes, go[k].ptr_bytes, 1);
        struct slice s = {NULL, 0, 0};
        int at = -1;
        bool ok = true;
        for (int i = 0; i < 3000; i++) {
            struct slice longer;
            INVARIANT(slice_extend(m, t, s, 1, &longer) == GCSIM_OK);
            if (longer.cap != s.cap)
                ok &= longer.cap == go[k].caps[++at];
            s = longer;
        }
        check(ok && s.len == 3000,
              "append to elements of %d bytes (%d with pointers) grows as in Go", (int)go[k].bytes,
              (int)go[k].ptr_bytes);
    }
    int64_t cap;
    check(slice_grown_cap(0, true, 1ll << 62, 3, &cap) && cap == 1ll << 62,
          "elements of no size need no room");
    check(!slice_grown_cap(8, true, 1ll << 61, 0, &cap) &&
              !slice_grown_cap(1, true, INT64_MAX, INT64_MAX - 1, &cap),
          "absurd lengths are refused");
}

static void cuts_share_and_stay_inside(mut *m)
{
    const gcsim_type *t = elem_type(m, 8, 0, 0);
    struct slice s;
    INVARIANT(slice_make(m, t, 4, 8, &s) == GCSIM_OK);
    for (int i = 0; i < 8; i++)
        ((int64_t *)s.ptr)[i] = i;
    struct slice c = slice_cut(s, 8, 1, 3, 5);
    check(c.ptr == (char *)s.ptr + 8 && c.len == 2 && c.cap == 4, "s[1:3:5] shares the array");
    c = slice_cut(s, 8, 8, 8, 8);
    check(c.ptr == s.ptr && c.len == 0 && c.cap == 0, "s[cap:cap] does not point behind the array");
    check(slice_bounds_ok(s, 0, 8, 8) && !slice_bounds_ok(s, 3, 2, 8) &&
              !slice_bounds_ok(s, 0, 9, 9) && !slice_bounds_ok(s, -1, 2, 8),
          "bounds");
    check(slice_make(m, t, 3, 2, &s) == GCSIM_BAD_SIZE &&
              slice_make(m, t, -1, 2, &s) == GCSIM_BAD_SIZE,
          "make refuses bad lengths");
    check(slice_make(m, t, 1ll << 50, 1ll << 50, &s) == GCSIM_BAD_SIZE && !s.ptr,
          "make refuses what no heap can hold");
}

static void appending_shares_or_copies(mut *m)
{
    const gcsim_type *t = elem_type(m, 8, 8, 1);
    struct slice s, more, out, again;
    INVARIANT(slice_make(m, t, 2, 3, &s) == GCSIM_OK && slice_make(m, t, 2, 2, &more) == GCSIM_OK);
    gcsim_store(m, more.ptr, s.ptr);
    gcsim_store(m, s.ptr, more.ptr);
    INVARIANT(slice_append(m, t, s, slice_cut(more, 8, 0, 1, 1), &out) == GCSIM_OK);
    check(out.ptr == s.ptr && out.len == 3 && ((void **)s.ptr)[2] == s.ptr,
          "append writes into the array while it has room");
    INVARIANT(slice_append(m, t, out, out, &again) == GCSIM_OK);
    void **p = again.ptr;
    check(again.ptr != out.ptr && again.len == 6 && again.cap == 6 && p[0] == more.ptr &&
              p[3] == more.ptr && p[5] == s.ptr,
          "append(s, s...) copies");
    INVARIANT(slice_copy(m, t, slice_cut(again, 8, 1, 6, 6), again) == 5);
    check(p[1] == more.ptr && p[3] == s.ptr && p[4] == more.ptr, "an overlapping copy upwards");
    check(slice_extend(m, t, again, INT64_MAX, &out) == GCSIM_BAD_SIZE &&
              slice_extend(m, t, again, -1, &out) == GCSIM_BAD_SIZE,
          "lengths that overflow");
}

static void strings_are_go_s(mut *m)
{
    const gcsim_type *byte = elem_type(m, 1, 0, 0);
    struct string a, b, empty, out;
    INVARIANT(string_make(m, byte, "hello, ", 7, &a) == GCSIM_OK &&
              string_make(m, byte, "world", 5, &b) == GCSIM_OK);
    check(string_make(m, byte, "", 0, &empty) == GCSIM_OK && !empty.ptr && !empty.len,
          "the empty string takes no memory");
    check(string_make(m, byte, "x", -1, &out) == GCSIM_BAD_SIZE, "a negative length");
    INVARIANT(string_concat(m, byte, NULL, (struct string[]){a, empty, b}, 3, &out) == GCSIM_OK);
    check(out.len == 12 && !memcmp(out.ptr, "hello, world", 12), "concatenation");
    struct string cut = string_cut(out, 7, 12), none = string_cut(out, 12, 12);
    check(cut.ptr == out.ptr + 7 && cut.len == 5 && none.ptr == out.ptr && none.len == 0,
          "cutting shares the bytes");
    INVARIANT(string_concat(m, byte, NULL, (struct string[]){empty, b, empty}, 3, &out) ==
              GCSIM_OK);
    check(out.ptr == b.ptr && out.len == 5, "one string that is not empty is the result itself");
    INVARIANT(string_concat(m, byte, NULL, (struct string[]){empty, empty}, 2, &out) == GCSIM_OK);
    check(out.len == 0, "no string at all");
    struct string huge = {a.ptr, INT64_MAX};
    check(string_concat(m, byte, NULL, (struct string[]){huge, b}, 2, &out) == GCSIM_BAD_SIZE,
          "a concatenation that is too long");
}

int main(void)
{
    mut *m = open_heap(small_heap); // the collector is off: nothing here is rooted
    growth_is_go_s(m);
    cuts_share_and_stay_inside(m);
    appending_shares_or_copies(m);
    strings_are_go_s(m);
    close_heap(m);
    return failures != 0;
}
