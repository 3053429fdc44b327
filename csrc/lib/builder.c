#include "lib/builder.h"

#include <string.h>

// It lies where it was first written to (builder.go:copyCheck).
static gcsim_status builder_check(gcsim_mutator *m, struct builder *b)
{
    if (b->addr == b)
        return GCSIM_OK;
    if (b->addr)
        return GCSIM_BAD_STATE;
    gcsim_store(m, &b->addr, b);
    return GCSIM_OK;
}

LIB gcsim_status builder_write(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                               const void *bytes, int64_t len)
{
    struct slice longer;
    int64_t at = b->buf.len;
    gcsim_status status = builder_check(m, b);
    if (status == GCSIM_OK)
        status = slice_extend(m, byte, b->buf, len, &longer);
    if (status != GCSIM_OK)
        return status;
    if (len)
        memcpy((char *)longer.ptr + at, bytes, (size_t)len);
    slice_put(m, &b->buf, longer);
    return GCSIM_OK;
}

LIB gcsim_status builder_write_rune(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                                    int32_t rune)
{
    char bytes[UTF8_MAX];
    return builder_write(m, byte, b, bytes, utf8_put(bytes, rune));
}

LIB gcsim_status builder_grow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                              int64_t n)
{
    int64_t want;
    struct slice longer;
    gcsim_status status = builder_check(m, b);
    if (status != GCSIM_OK || n < 0)
        return status != GCSIM_OK ? status : GCSIM_BAD_SIZE;
    if (b->buf.cap - b->buf.len >= n)
        return GCSIM_OK;
    if (__builtin_add_overflow(2 * b->buf.cap, n, &want))
        return GCSIM_BAD_SIZE;
    status = bytes_make(m, byte, NULL, want, &longer);
    if (status != GCSIM_OK)
        return status;
    longer.len = b->buf.len;
    slice_copy(m, byte, longer, b->buf);
    slice_put(m, &b->buf, longer);
    return GCSIM_OK;
}

LIB void builder_reset(gcsim_mutator *m, struct builder *b)
{
    gcsim_store(m, &b->addr, NULL);
    slice_put(m, &b->buf, (struct slice){NULL, 0, 0});
}
