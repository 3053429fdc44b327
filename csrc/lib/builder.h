// strings.Builder (src/strings/builder.go): bytes that are appended to, and become a string without a copy.
//
// A builder lies in the heap, in a frame, or wherever its buffer is rooted; zeros are an empty one. Functions that write are polls: the
// builder must be rooted across them, and so must what is written, which may be the builder's own bytes. GCSIM_BAD_STATE: it is a copy
// of a builder that was in use (Go panics). GCSIM_BAD_SIZE: a negative number, or more than any slice has.
#pragma once

#include "lib/string.h"

struct builder {
    struct builder *addr; // itself, once it has been written to
    struct slice buf;
};
enum { BUILDER_WORDS = 4, BUILDER_MASK = 3 }; // words 0 and 1 are pointers
_Static_assert(sizeof(struct builder) == 8 * BUILDER_WORDS, "the layout of strings.Builder");

LIB gcsim_status builder_write(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                               const void *bytes, int64_t len);
LIB gcsim_status builder_write_rune(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                                    int32_t rune);
static inline gcsim_status builder_write_byte(gcsim_mutator *m, const gcsim_type *byte,
                                              struct builder *b, unsigned char c)
{
    if (b->addr != b || b->buf.len == b->buf.cap)
        return builder_write(m, byte, b, &c, 1);
    ((unsigned char *)b->buf.ptr)[b->buf.len++] = c;
    return GCSIM_OK;
}

// Room for n more bytes: if there is less, a buffer for 2 * cap + n.
LIB gcsim_status builder_grow(gcsim_mutator *m, const gcsim_type *byte, struct builder *b,
                              int64_t n);
// What was written so far. It shares the buffer, whose bytes are never written again.
static inline struct string builder_string(const struct builder *b) { return string_view(b->buf); }
// Empty again, without its buffer: strings made of it are safe.
LIB void builder_reset(gcsim_mutator *m, struct builder *b);
