// See slice.h. The one white-box include is alloc/sizeclass.h, whose roundupsize is pure: append's capacities depend on it.
#include "lib/slice.h"

#include "alloc/sizeclass.h"

#define SLICE_MAX_BYTES (1ull << 48) // malloc.go:maxAlloc on linux/amd64

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
    *cap = (int64_t)(roundupsize(bytes, noscan) / elem_bytes);
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
    if (n > 0 && elem->bytes > 0 && to.ptr != from.ptr)
        m->api->copy(m, elem, to.ptr, from.ptr, (uint64_t)n);
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
