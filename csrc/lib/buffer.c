#include "lib/buffer.h"

#include <string.h>

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

// A new array for `want` bytes, or twice the part that is not read, with what is not read at its beginning (buffer.go:growSlice).
static gcsim_status buffer_move(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                int64_t want)
{
    int64_t left = buffer_len(b), twice = 2 * (b->buf.cap - b->off);
    struct slice longer, unread = buffer_bytes(b);
    gcsim_status status = bytes_make(m, byte, NULL, want < twice ? twice : want, &longer);
    if (status != GCSIM_OK)
        return status;
    slice_copy(m, byte, longer, unread);
    longer.len = left;
    slice_put(m, &b->buf, longer);
    return GCSIM_OK;
}

// Makes it n bytes longer; *at: where they begin (buffer.go:grow).
static gcsim_status buffer_extend(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                  int64_t n, char **at)
{
    gcsim_status status = GCSIM_OK;
    int64_t left = buffer_len(b), cap = b->buf.cap, want;
    if (left == 0 && b->off != 0)
        buffer_reset(b);
    if (n > buffer_available(b)) {
        if (!b->buf.ptr && n <= BUFFER_SMALL) {
            struct slice small;
            status = slice_make(m, byte, 0, BUFFER_SMALL, &small);
            if (status == GCSIM_OK)
                slice_put(m, &b->buf, small);
        } else if (n <= cap / 2 - left) {
            memmove(b->buf.ptr, (char *)b->buf.ptr + b->off, (size_t)left);
        } else if (__builtin_add_overflow(2 * cap, n, &want)) {
            status = GCSIM_BAD_SIZE;
        } else {
            status = buffer_move(m, byte, b, left + b->off + n);
        }
        if (status != GCSIM_OK)
            return status;
        b->off = 0;
        GCSIM_STORE(&b->buf.len, left);
    }
    *at = (char *)b->buf.ptr + b->buf.len;
    GCSIM_STORE(&b->buf.len, b->buf.len + n);
    return GCSIM_OK;
}

LIB gcsim_status buffer_grow(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b, int64_t n)
{
    char *at;
    gcsim_status status = n < 0 ? GCSIM_BAD_SIZE : buffer_extend(m, byte, b, n, &at);
    if (status == GCSIM_OK)
        GCSIM_STORE(&b->buf.len, b->buf.len - n);
    return status;
}

// --- writing -------------------------------------------------------------------------------------------------------

LIB gcsim_status buffer_write(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                              const void *bytes, int64_t len)
{
    char *at;
    if (len < 0)
        return GCSIM_BAD_SIZE;
    b->last_read = BUFFER_INVALID;
    if (len > buffer_available(b)) {
        gcsim_status status = buffer_extend(m, byte, b, len, &at);
        if (status != GCSIM_OK)
            return status;
    } else {
        at = (char *)b->buf.ptr + b->buf.len;
        GCSIM_STORE(&b->buf.len, b->buf.len + len);
    }
    if (len)
        memmove(at, bytes, (size_t)len);
    return GCSIM_OK;
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
