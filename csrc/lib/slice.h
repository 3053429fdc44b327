// Go's slices over the public API: a header of three words, and what Go's own operations do with it.
//
// A header is a value: making, cutting and appending return new ones, and several may share one backing array. The functions
// that allocate are polls (gcsim.h, rule 2): headers that the caller holds must be rooted across them, and what they return is
// safe until the next poll. Bounds are the caller's to check with slice_bounds_ok, except where a status is returned.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"

#define LIB static __attribute__((unused))

struct slice { // as it lies in memory: word 0 is a pointer
    void *ptr;
    int64_t len, cap;
};
_Static_assert(sizeof(struct slice) == 24, "the layout of a slice field");

#define SLICE_MAX_BYTES (1ull << 48) // malloc.go:maxAlloc on linux/amd64

// Stores a header in the heap or in a frame.
static inline void slice_put(gcsim_mutator *m, struct slice *at, struct slice s)
{
    gcsim_store(m, &at->ptr, s.ptr);
    GCSIM_STORE(&at->len, s.len);
    GCSIM_STORE(&at->cap, s.cap);
}

// A capacity for `new_len` elements when `old_cap` is too small, before rounding (slice.go:nextslicecap).
LIB int64_t slice_next_cap(int64_t new_len, int64_t old_cap);
// The capacity that append really gets: the above, rounded up to what the size class holds (slice.go:growslice). false: too large.
LIB bool slice_grown_cap(uint64_t elem_bytes, bool noscan, int64_t new_len, int64_t old_cap,
                         int64_t *cap);

// make([]T, len, cap)
LIB gcsim_status slice_make(gcsim_mutator *m, const gcsim_type *elem, int64_t len, int64_t cap,
                            struct slice *out);

// 0 <= from <= to <= max <= cap: what s[from:to:max] wants.
static inline bool slice_bounds_ok(struct slice s, int64_t from, int64_t to, int64_t max)
{
    return 0 <= from && from <= to && to <= max && max <= s.cap;
}
// s[from:to:max]. An empty result with no capacity keeps the old pointer, so that it cannot point behind the array.
LIB struct slice slice_cut(struct slice s, uint64_t elem_bytes, int64_t from, int64_t to,
                           int64_t max);

static inline void *slice_at(struct slice s, uint64_t elem_bytes, int64_t i)
{
    return (char *)s.ptr + (uint64_t)i * elem_bytes;
}

// copy(to, from): the shorter length counts; overlap allowed. Returns how many elements were copied.
LIB int64_t slice_copy(gcsim_mutator *m, const gcsim_type *elem, struct slice to,
                       struct slice from);

// Room for `more` elements behind s: *out has them, zero if the array is new, and shares s's array if that had room. The caller
// writes them. GCSIM_BAD_SIZE if the length does not fit.
LIB gcsim_status slice_extend(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              int64_t more, struct slice *out);
// append(s, values...): `values` are rooted by the caller and may lie in s itself.
LIB gcsim_status slice_append(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              struct slice values, struct slice *out);
// s = append(s, one element), which the caller writes: its address; NULL with m->status.
static inline void *slice_push(gcsim_mutator *m, const gcsim_type *elem, uint64_t elem_bytes,
                               struct slice *s)
{
    if (s->len == s->cap) {
        struct slice longer;
        gcsim_status status = slice_extend(m, elem, *s, 1, &longer);
        if (status != GCSIM_OK) {
            m->status = status;
            return NULL;
        }
        *s = longer;
        s->len--;
    }
    return slice_at(*s, elem_bytes, s->len++);
}

// slices.Grow(s, n): the same elements, also those between length and capacity, with room for n more.
LIB gcsim_status slice_grow(gcsim_mutator *m, const gcsim_type *elem, struct slice s, int64_t n,
                            struct slice *out);
// slices.Insert(s, at, values...), 0 <= at <= len: in place if there is room. `values` are rooted by the caller; they may be elements of s,
// but none between its length and its capacity.
LIB gcsim_status slice_insert(gcsim_mutator *m, const gcsim_type *elem, struct slice s, int64_t at,
                              struct slice values, struct slice *out);
// slices.Delete(s, from, to), 0 <= from <= to <= len: what is left behind the new length is cleared, so that it keeps nothing.
LIB struct slice slice_delete(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              int64_t from, int64_t to);
// slices.Concat(a[0], a[1], ...), all rooted by the caller: always a new array, unless they are empty.
LIB gcsim_status slice_concat(gcsim_mutator *m, const gcsim_type *elem, const struct slice *a,
                              int64_t n, struct slice *out);
// slices.Clone(s): capacity as append gives it; nil stays nil.
LIB gcsim_status slice_clone(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                             struct slice *out);
// clear(s)
LIB void slice_clear(gcsim_mutator *m, const gcsim_type *elem, struct slice s);
