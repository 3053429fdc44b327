// See slice.h. The one white-box include is alloc/sizeclass.h, whose roundupsize is pure: append's capacities depend on it.
#include "lib/slice.h"

#include <string.h>

#include "alloc/sizeclass.h"

LIB int64_t slice_next_cap(int64_t new_len, int64_t old_cap)
{
    enum { DOUBLING_ENDS = 256 }; // from here growth moves from 2x towards 1.25x
    uint64_t cap = (uint64_t)old_cap;
    if ((uint64_t)new_len > cap + cap)
        return new_len;
    if (cap < DOUBLING_ENDS)
        return (int64_t)(cap + cap);
    do // no overflow: the loop ends below 1.25 * 2^63 + 192
        cap += (cap + 3 * DOUBLING_ENDS) >> 2;
    while (cap < (uint64_t)new_len);
    return cap > INT64_MAX ? new_len : (int64_t)cap;
}

LIB bool slice_grown_cap(uint64_t elem_bytes, bool noscan, int64_t new_len, int64_t old_cap,
                         int64_t *cap)
{
    if (elem_bytes == 0) {
        *cap = new_len;
        return true;
    }
    uint64_t bytes, wanted = (uint64_t)slice_next_cap(new_len, old_cap);
    if (__builtin_mul_overflow(wanted, elem_bytes, &bytes) || bytes > SLICE_MAX_BYTES)
        return false;
    bytes = roundupsize(bytes, noscan);
    *cap = (int64_t)(elem_bytes == 1 ? bytes : elem_bytes == 8 ? bytes >> 3 : bytes / elem_bytes);
    return true;
}

LIB gcsim_status slice_make(gcsim_mutator *m, const gcsim_type *elem, int64_t len, int64_t cap,
                            struct slice *out)
{
    if (len < 0 || cap < len)
        return GCSIM_BAD_SIZE;
    void *p = m->api->new_array(m, elem, (uint64_t)cap);
    *out = (struct slice){p, p ? len : 0, p ? cap : 0};
    return p ? GCSIM_OK : m->status;
}

LIB struct slice slice_cut(struct slice s, uint64_t elem_bytes, int64_t from, int64_t to,
                           int64_t max)
{
    char *p = s.ptr;
    if (max > from) // (cmd/compile/internal/ssagen/ssa.go:slice)
        p += (uint64_t)from * elem_bytes;
    return (struct slice){p, to - from, max - from};
}

LIB int64_t slice_copy(gcsim_mutator *m, const gcsim_type *elem, struct slice to, struct slice from)
{
    int64_t n = to.len < from.len ? to.len : from.len;
    if (n <= 0 || elem->bytes == 0 || to.ptr == from.ptr)
        return n;
    if (elem->ptr_bytes)
        m->api->copy(m, elem, to.ptr, from.ptr, (uint64_t)n);
    else // nothing for a barrier to see
        memmove(to.ptr, from.ptr, (size_t)n * elem->bytes);
    return n;
}

LIB gcsim_status slice_extend(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              int64_t more, struct slice *out)
{
    int64_t len, cap;
    if (more < 0 || __builtin_add_overflow(s.len, more, &len))
        return GCSIM_BAD_SIZE;
    *out = (struct slice){s.ptr, len, s.cap};
    if (len <= s.cap)
        return GCSIM_OK;
    if (!slice_grown_cap(elem->bytes, elem->ptr_bytes == 0, len, s.cap, &cap))
        return GCSIM_BAD_SIZE;
    gcsim_status status = slice_make(m, elem, len, cap, out);
    if (status == GCSIM_OK)
        slice_copy(m, elem, *out, s);
    return status;
}

LIB gcsim_status slice_append(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              struct slice values, struct slice *out)
{
    gcsim_status status = slice_extend(m, elem, s, values.len, out);
    if (status == GCSIM_OK)
        slice_copy(m, elem,
                   (struct slice){slice_at(*out, elem->bytes, s.len), values.len, values.len},
                   values);
    return status;
}

// --- package slices ------------------------------------------------------------------------------------------------

LIB gcsim_status slice_grow(gcsim_mutator *m, const gcsim_type *elem, struct slice s, int64_t n,
                            struct slice *out)
{
    *out = s;
    if (n < 0)
        return GCSIM_BAD_SIZE;
    if (n <= s.cap - s.len)
        return GCSIM_OK;
    struct slice whole = {s.ptr, s.cap, s.cap};
    gcsim_status status = slice_extend(m, elem, whole, n - (s.cap - s.len), out);
    if (status == GCSIM_OK)
        out->len = s.len;
    else
        *out = s;
    return status;
}

// The part of s from `from` to `to`, as a target or a source of slice_copy.
static struct slice slice_part(struct slice s, uint64_t elem_bytes, int64_t from, int64_t to)
{
    return slice_cut(s, elem_bytes, from, to, to);
}

// Behind `at` all elements have moved up by values.len: `values`, if they were among them, too.
static void slice_place(gcsim_mutator *m, const gcsim_type *elem, struct slice s, int64_t at,
                        struct slice values)
{
    uint64_t bytes = elem->bytes, into = (uint64_t)((char *)values.ptr - (char *)s.ptr);
    int64_t first = bytes && into < (uint64_t)s.len * bytes ? (int64_t)(into / bytes) : -1;
    int64_t before = first < 0 ? values.len : first < at ? at - first : 0; // that have not moved
    before = before < values.len ? before : values.len;
    slice_copy(m, elem, slice_part(s, bytes, at, at + before), values);
    if (before < values.len) {
        int64_t moved = first + before + values.len, n = values.len - before;
        slice_copy(m, elem, slice_part(s, bytes, at + before, at + values.len),
                   slice_part(s, bytes, moved, moved + n));
    }
}

LIB gcsim_status slice_insert(gcsim_mutator *m, const gcsim_type *elem, struct slice s, int64_t at,
                              struct slice values, struct slice *out)
{
    uint64_t bytes = elem->bytes;
    struct slice head = {s.ptr, at, s.cap};
    if (values.len == 0 || at == s.len)
        return slice_append(m, elem, s, values, out);
    // What moves is added to what is new, so growth counts from the same length as append's.
    gcsim_status status = slice_extend(m, elem, head, values.len + s.len - at, out);
    if (status != GCSIM_OK)
        return status;
    slice_copy(m, elem, slice_part(*out, bytes, at + values.len, out->len),
               slice_part(s, bytes, at, s.len));
    if (out->ptr == s.ptr)
        slice_place(m, elem, *out, at, values);
    else
        slice_copy(m, elem, slice_part(*out, bytes, at, at + values.len), values);
    return GCSIM_OK;
}

LIB struct slice slice_delete(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                              int64_t from, int64_t to)
{
    int64_t len = s.len - (to - from);
    slice_copy(m, elem, slice_part(s, elem->bytes, from, len),
               slice_part(s, elem->bytes, to, s.len));
    slice_clear(m, elem, slice_part(s, elem->bytes, len, s.len));
    return (struct slice){s.ptr, len, s.cap};
}

LIB gcsim_status slice_concat(gcsim_mutator *m, const gcsim_type *elem, const struct slice *a,
                              int64_t n, struct slice *out)
{
    int64_t len = 0;
    *out = (struct slice){NULL, 0, 0};
    for (int64_t i = 0; i < n; i++)
        if (__builtin_add_overflow(len, a[i].len, &len))
            return GCSIM_BAD_SIZE;
    gcsim_status status = slice_grow(m, elem, *out, len, out);
    for (int64_t i = 0; status == GCSIM_OK && i < n; i++) // there is room: no poll any more
        status = slice_append(m, elem, *out, a[i], out);
    return status;
}

LIB gcsim_status slice_clone(gcsim_mutator *m, const gcsim_type *elem, struct slice s,
                             struct slice *out)
{
    *out = s;
    if (!s.ptr)
        return GCSIM_OK;
    struct slice empty; // not s[:0:0], which would keep the whole array
    gcsim_status status = slice_make(m, elem, 0, 0, &empty);
    return status == GCSIM_OK ? slice_append(m, elem, empty, s, out) : status;
}

LIB void slice_clear(gcsim_mutator *m, const gcsim_type *elem, struct slice s)
{
    if (s.len > 0 && elem->bytes > 0)
        m->api->clear(m, elem, s.ptr, (uint64_t)s.len);
}
