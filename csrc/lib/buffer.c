#include "lib/buffer.h"

#include "alloc/sizeclass.h"

LIB struct slice buffer_bytes(const struct buffer *b)
{
    return slice_cut(b->buf, 1, b->off, b->buf.len, b->buf.cap);
}

LIB void buffer_reset(struct buffer *b)
{
    GCSIM_STORE(&b->buf.len, 0);
    b->off = 0;
    b->last_read = BUFFER_INVALID;
}

// --- room ----------------------------------------------------------------------------------------------------------

// (buffer.go:grow, growSlice)
LIB gcsim_status buffer_plan(const struct buffer *b, int64_t n, int64_t *cap)
{
    int64_t left = buffer_len(b), off = left ? b->off : 0, want; // an empty one begins anew
    *cap = 0;
    if (n < 0)
        return GCSIM_BAD_SIZE;
    if (n <= b->buf.cap - off - left)
        return GCSIM_OK;
    if (!b->buf.ptr && n <= BUFFER_SMALL) {
        *cap = BUFFER_SMALL;
        return GCSIM_OK;
    }
    if (n <= b->buf.cap / 2 - left)
        return GCSIM_OK; // what is left slides down
    if (__builtin_add_overflow(left + off, n, &want))
        return GCSIM_BAD_SIZE;
    want = want < 2 * (b->buf.cap - off) ? 2 * (b->buf.cap - off) : want;
    *cap = (int64_t)roundupsize((uint64_t)want, true);
    return (uint64_t)want <= SLICE_MAX_BYTES ? GCSIM_OK : GCSIM_BAD_SIZE;
}

LIB void buffer_move(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b, int64_t n,
                     void *array, int64_t cap)
{
    int64_t left = buffer_len(b);
    if (left == 0 && b->off != 0)
        buffer_reset(b);
    if (array) {
        struct slice longer = {array, left, cap};
        slice_copy(m, byte, longer, buffer_bytes(b));
        slice_put(m, &b->buf, longer);
        b->off = 0;
    } else if (n > buffer_available(b)) {
        memmove(b->buf.ptr, (char *)b->buf.ptr + b->off, (size_t)left);
        b->off = 0;
        GCSIM_STORE(&b->buf.len, left);
    }
}

LIB gcsim_status buffer_grow(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b, int64_t n)
{
    int64_t cap;
    gcsim_status status = buffer_plan(b, n, &cap);
    if (status != GCSIM_OK)
        return status;
    void *array = cap ? m->api->new_array(m, byte, (uint64_t)cap) : NULL;
    if (cap && !array)
        return m->status;
    buffer_move(m, byte, b, n, array, cap);
    return GCSIM_OK;
}

// --- writing -------------------------------------------------------------------------------------------------------

LIB gcsim_status buffer_write(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                              const void *bytes, int64_t len)
{
    gcsim_status status = GCSIM_OK;
    b->last_read = BUFFER_INVALID;
    if ((uint64_t)len > (uint64_t)buffer_available(b))
        status = buffer_grow(m, byte, b, len);
    if (status == GCSIM_OK && len) {
        memmove((char *)b->buf.ptr + b->buf.len, bytes, (size_t)len);
        GCSIM_STORE(&b->buf.len, b->buf.len + len);
    }
    return status;
}

// Room for the longest rune is made, whichever it is (buffer.go:WriteRune).
LIB gcsim_status buffer_write_rune(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                   int32_t rune)
{
    if ((uint32_t)rune < 0x80)
        return buffer_write_byte(m, byte, b, (unsigned char)rune);
    char bytes[UTF8_MAX];
    int n = utf8_put(bytes, rune);
    gcsim_status status =
        buffer_available(b) < UTF8_MAX ? buffer_grow(m, byte, b, UTF8_MAX) : GCSIM_OK;
    return status == GCSIM_OK ? buffer_write(m, byte, b, bytes, n) : status;
}

LIB gcsim_status buffer_read_from(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                  buffer_reader read, void *arg, int64_t *n)
{
    *n = 0;
    b->last_read = BUFFER_INVALID;
    for (;;) { // room is made before each read, also the one that finds the end
        gcsim_status status = buffer_grow(m, byte, b, BUFFER_MIN_READ);
        if (status != GCSIM_OK)
            return status;
        int64_t got = read(arg, (char *)b->buf.ptr + b->buf.len, buffer_available(b));
        if (got <= 0)
            return got < 0 ? GCSIM_INTERRUPTED : GCSIM_OK;
        GCSIM_STORE(&b->buf.len, b->buf.len + got);
        *n += got;
    }
}

// --- reading -------------------------------------------------------------------------------------------------------

LIB struct slice buffer_next(struct buffer *b, int64_t n)
{
    int64_t left = buffer_len(b), from = b->off;
    n = n < left ? n : left;
    b->off += n;
    b->last_read = n > 0 ? BUFFER_READ : BUFFER_INVALID;
    return slice_cut(b->buf, 1, from, from + n, b->buf.cap);
}

LIB int64_t buffer_read(struct buffer *b, void *to, int64_t n)
{
    if (buffer_len(b) == 0) {
        buffer_reset(b);
        return 0;
    }
    struct slice next = buffer_next(b, n);
    if (next.len)
        memcpy(to, next.ptr, (size_t)next.len);
    return next.len;
}

LIB gcsim_status buffer_unread_byte(struct buffer *b)
{
    if (b->last_read == BUFFER_INVALID)
        return GCSIM_BAD_STATE;
    b->last_read = BUFFER_INVALID;
    if (b->off > 0)
        b->off--;
    return GCSIM_OK;
}

LIB gcsim_status buffer_truncate(struct buffer *b, int64_t n)
{
    if (n < 0 || n > buffer_len(b))
        return GCSIM_BAD_SIZE;
    if (n == 0) {
        buffer_reset(b);
        return GCSIM_OK;
    }
    b->last_read = BUFFER_INVALID;
    GCSIM_STORE(&b->buf.len, b->off + n);
    return GCSIM_OK;
}
