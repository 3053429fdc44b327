// strings.Builder (src/strings/builder.go): bytes that are appended to, and become a string without a copy.
//
// A builder lies in the heap, in a frame, or wherever its buffer is rooted; zeros are an empty one. Functions that write are polls: the
// builder must be rooted across them, and so must what is written, which may be the builder's own bytes. GCSIM_BAD_STATE: it is a copy
// of a builder that was in use (Go panics). GCSIM_BAD_SIZE: a negative number, or more than any slice has.
#pragma once

#include <string.h>

#include "lib/string.h"

struct builder {
    struct builder *addr; // itself, once it has been written to
    struct slice buf;
};
enum { BUILDER_WORDS = 4, BUILDER_MASK = 3 }; // words 0 and 1 are pointers
_Static_assert(sizeof(struct builder) == 8 * BUILDER_WORDS, "the layout of strings.Builder");

// GCSIM_BAD_STATE for a copy of one that was in use; else it lies here from now on (builder.go:copyCheck).
LIB gcsim_status builder_check(gcsim_mutator *m, struct builder *b);

// Making room, in two steps for who must not collect between them: how large the array is that `n` more bytes take, 0 if there is room; a builder
// that `grows` (Grow) gets more. Then the array is its own.
LIB gcsim_status builder_plan(const struct builder *b, int64_t n, bool grows, int64_t *cap);
LIB void builder_move(gcsim_mutator *m, const gcsim_type *byte, struct builder *b, void *array,
                      int64_t cap);

// The long way: it is the first time, there is no room, there is nothing to write, or it is refused.
LIB gcsim_status builder_write_slow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                                    const void *bytes, int64_t len);
static inline gcsim_status builder_write(gcsim_mutator *m, const gcsim_type *byte,
                                         struct builder *b, const void *bytes, int64_t len)
{
    if (b->addr != b || (uint64_t)len - 1 >= (uint64_t)(b->buf.cap - b->buf.len))
        return builder_write_slow(m, byte, b, bytes, len);
    memcpy((char *)b->buf.ptr + b->buf.len, bytes, (size_t)len);
    GCSIM_STORE(&b->buf.len, b->buf.len + len);
    return GCSIM_OK;
}
static inline gcsim_status builder_write_byte(gcsim_mutator *m, const gcsim_type *byte,
                                              struct builder *b, unsigned char c)
{
    int64_t len = b->buf.len;
    if (b->addr != b || len == b->buf.cap)
        return builder_write_slow(m, byte, b, &c, 1);
    unsigned char *restrict bytes = b->buf.ptr; // the builder does not lie among them
    bytes[len] = c;
    b->buf.len = len + 1;
    return GCSIM_OK;
}
static inline gcsim_status builder_write_rune(gcsim_mutator *m, const gcsim_type *byte,
                                              struct builder *b, int32_t rune)
{
    char bytes[UTF8_MAX];
    return builder_write(m, byte, b, bytes, utf8_put(bytes, rune));
}

// Room for n more bytes: if there is less, an array for 2 * cap + n.
LIB gcsim_status builder_grow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                              int64_t n);
// What was written so far. It shares the array, whose bytes are never written again.
static inline struct string builder_string(const struct builder *b) { return string_view(b->buf); }
// Empty again, without its array: strings made of it are safe.
LIB void builder_reset(gcsim_mutator *m, struct builder *b);
