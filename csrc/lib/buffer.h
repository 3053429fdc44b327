// bytes.Buffer (src/bytes/buffer.go): bytes written at one end and read at the other.
//
// It lies in the heap, in a frame, or wherever its array is rooted; zeros are an empty one, and {s, 0, 0} is bytes.NewBuffer(s). Functions
// that write are polls: the buffer must be rooted across them, and so must what is written. GCSIM_BAD_SIZE where Go panics.
#pragma once

#include <string.h>

#include "lib/string.h"

struct buffer {
    struct slice buf;
    int64_t off;      // read up to here
    int8_t last_read; // BUFFER_READ: the last operation was a read of at least one byte
};
enum { BUFFER_WORDS = 5, BUFFER_MASK = 1 };
_Static_assert(sizeof(struct buffer) == 8 * BUFFER_WORDS, "the layout of bytes.Buffer");
enum { BUFFER_READ = -1, BUFFER_INVALID = 0 };
enum { BUFFER_SMALL = 64, BUFFER_MIN_READ = 512 };

static inline int64_t buffer_len(const struct buffer *b) { return b->buf.len - b->off; }
static inline int64_t buffer_available(const struct buffer *b) { return b->buf.cap - b->buf.len; }
// What has not been read: shares the array, until the next write.
LIB struct slice buffer_bytes(const struct buffer *b);

// Making room, in two steps for who must not collect between them: how large the new array is that `n` more bytes take, 0: none is
// needed. Then there is room for them, in that array if there is one.
LIB gcsim_status buffer_plan(const struct buffer *b, int64_t n, int64_t *cap);
LIB void buffer_move(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b, int64_t n,
                     void *array, int64_t cap);

LIB gcsim_status buffer_write(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                              const void *bytes, int64_t len);
LIB gcsim_status buffer_write_rune(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                   int32_t rune);
static inline gcsim_status buffer_write_byte(gcsim_mutator *m, const gcsim_type *byte,
                                             struct buffer *b, unsigned char c)
{
    if (b->buf.len == b->buf.cap)
        return buffer_write(m, byte, b, &c, 1);
    unsigned char *restrict bytes = b->buf.ptr; // the buffer does not lie among them
    b->last_read = BUFFER_INVALID;
    bytes[b->buf.len++] = c;
    return GCSIM_OK;
}
// Reads until `read` gives 0: it fills up to `room` bytes and says how many it has, or -1: it failed (GCSIM_INTERRUPTED). *n: bytes read.
typedef int64_t (*buffer_reader)(void *arg, void *to, int64_t room);
LIB gcsim_status buffer_read_from(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b,
                                  buffer_reader read, void *arg, int64_t *n);
// Room for n more bytes.
LIB gcsim_status buffer_grow(gcsim_mutator *m, const gcsim_type *byte, struct buffer *b, int64_t n);

// Up to n bytes (n >= 0), which count as read; they share the array, until the next write.
LIB struct slice buffer_next(struct buffer *b, int64_t n);
// The same, copied: how many; 0 where Go says io.EOF, and then the array is used from its beginning again.
LIB int64_t buffer_read(struct buffer *b, void *to, int64_t n);
LIB gcsim_status
buffer_unread_byte(struct buffer *b); // GCSIM_BAD_STATE: the last operation read none
// All but the first n bytes that have not been read are dropped; the array stays.
LIB gcsim_status buffer_truncate(struct buffer *b, int64_t n);
LIB void buffer_reset(struct buffer *b);
