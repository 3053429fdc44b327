#include "lib/builder.h"

#include "alloc/sizeclass.h"

LIB gcsim_status builder_check(gcsim_mutator *m, struct builder *b)
{
    if (b->addr == b)
        return GCSIM_OK;
    if (b->addr)
        return GCSIM_BAD_STATE;
    gcsim_store(m, &b->addr, b);
    return GCSIM_OK;
}

LIB gcsim_status builder_plan(const struct builder *b, int64_t n, bool grows, int64_t *cap)
{
    int64_t want;
    *cap = 0;
    if (n < 0)
        return GCSIM_BAD_SIZE;
    if (b->buf.cap - b->buf.len >= n)
        return GCSIM_OK;
    if (__builtin_add_overflow(grows ? 2 * b->buf.cap : b->buf.len, n, &want))
        return GCSIM_BAD_SIZE;
    if (!grows)
        return slice_grown_cap(1, true, want, b->buf.cap, cap) ? GCSIM_OK : GCSIM_BAD_SIZE;
    *cap = (int64_t)roundupsize((uint64_t)want, true);
    return (uint64_t)*cap <= SLICE_MAX_BYTES ? GCSIM_OK : GCSIM_BAD_SIZE;
}

LIB void builder_move(gcsim_mutator *m, const gcsim_type *byte, struct builder *b, void *array,
                      int64_t cap)
{
    struct slice longer = {array, b->buf.len, cap};
    slice_copy(m, byte, longer, b->buf);
    slice_put(m, &b->buf, longer);
}

static gcsim_status builder_room(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                                 int64_t n, bool grows)
{
    int64_t cap;
    gcsim_status status = builder_check(m, b);
    if (status == GCSIM_OK)
        status = builder_plan(b, n, grows, &cap);
    if (status != GCSIM_OK || !cap)
        return status;
    void *array = m->api->new_array(m, byte, (uint64_t)cap);
    if (!array)
        return m->status;
    builder_move(m, byte, b, array, cap);
    return GCSIM_OK;
}

LIB gcsim_status builder_write_slow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                                    const void *bytes, int64_t len)
{
    gcsim_status status = builder_room(m, byte, b, len, false);
    if (status == GCSIM_OK && len) {
        memcpy((char *)b->buf.ptr + b->buf.len, bytes, (size_t)len);
        GCSIM_STORE(&b->buf.len, b->buf.len + len);
    }
    return status;
}

LIB gcsim_status builder_grow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                              int64_t n)
{
    return builder_room(m, byte, b, n, true);
}

LIB void builder_reset(gcsim_mutator *m, struct builder *b)
{
    gcsim_store(m, &b->addr, NULL);
    slice_put(m, &b->buf, (struct slice){NULL, 0, 0});
}
