// Go's strings over the public API: a pointer to bytes that never change, and their number. And what []byte(s), string(b), []rune(s),
// string(r) do.
//
// As for slices: functions that allocate are polls; what the caller holds must be rooted across them. `byte` is the heap's uint8,
// `rune` its int32.
//
// Where Go's compiler sees that a result does not escape, it gives the runtime a buffer on the stack, and short results lie there: `local`,
// of STRING_LOCAL elements. Such a result lives as long as that buffer, and must not be stored in the heap. NULL: the result escapes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"
#include "lib/slice.h" /* LIB */
#include "lib/utf8.h"

struct string { // as it lies in memory: word 0 is a pointer
    const char *ptr;
    int64_t len;
};
_Static_assert(sizeof(struct string) == 16, "the layout of a string field");

enum { STRING_LOCAL = 32 }; // string.go:tmpStringBufSize

// A copy of bytes, of any number: strings.Clone. The empty string is {NULL, 0} and takes no memory.
LIB gcsim_status string_make(gcsim_mutator *m, const gcsim_type *byte, const void *bytes,
                             int64_t len, struct string *out);

// s[from:to], 0 <= from <= to <= len: shares the bytes. The empty string points nowhere behind the bytes.
LIB struct string string_cut(struct string s, int64_t from, int64_t to);

// a[0] + a[1] + ...: a new string, unless at most one of them is not empty: then that one itself (string.go:concatstrings). One whose bytes lie
// outside the heap, in a local buffer say, is copied if the result escapes.
LIB gcsim_status string_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                               const struct string *a, int64_t n, struct string *out);
// []byte(a[0] + a[1] + ...) in one step (string.go:concatbytes).
LIB gcsim_status bytes_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                              const struct string *a, int64_t n, struct slice *out);

// The bytes as a string without a copy, for as long as nobody writes to them: what the compiler makes of string(b) where it is compared,
// looked up in a map or an operand of + (string.go:slicebytetostringtmp).
static inline struct string string_view(struct slice b) { return (struct string){b.ptr, b.len}; }
LIB bool string_equal(struct string a, struct string b);

// Zeros of a type without pointers, with all the capacity that their size class has (string.go:rawbyteslice, rawruneslice); what lies in
// `local` has STRING_LOCAL.
LIB gcsim_status bytes_make(gcsim_mutator *m, const gcsim_type *elem, void *local, int64_t len,
                            struct slice *out);

// string(b): a copy; of one byte a string that is always there (string.go:slicebytetostring).
LIB gcsim_status string_from_bytes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct slice b, struct string *out);
// []byte(s): capacity as append would give it (string.go:stringtoslicebyte); of a local result it is STRING_LOCAL.
LIB gcsim_status bytes_from_string(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct string s, struct slice *out);
// []rune(s); local: STRING_LOCAL runes (string.go:stringtoslicerune).
LIB gcsim_status runes_from_string(gcsim_mutator *m, const gcsim_type *rune, int32_t *local,
                                   struct string s, struct slice *out);
LIB int64_t string_runes(struct string s); // how many: len([]rune(s)), which allocates nothing
// string(runes): 3 bytes are asked for that it never uses (string.go:slicerunetostring).
LIB gcsim_status string_from_runes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct slice runes, struct string *out);
// string(r); local: 4 bytes (string.go:intstring).
LIB gcsim_status string_from_rune(gcsim_mutator *m, const gcsim_type *byte, char *local, int64_t r,
                                  struct string *out);
