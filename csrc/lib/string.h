// Go's strings over the public API: a pointer to bytes that never change, and their number.
//
// As for slices: functions that allocate are polls; what the caller holds must be rooted across them. `byte` is the heap's uint8.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"
#include "lib/slice.h" /* LIB */

struct string { // as it lies in memory: word 0 is a pointer
    const char *ptr;
    int64_t len;
};
_Static_assert(sizeof(struct string) == 16, "the layout of a string field");

// string(bytes): a copy; the empty string is {NULL, 0} and takes no memory.
LIB gcsim_status string_make(gcsim_mutator *m, const gcsim_type *byte, const void *bytes,
                             int64_t len, struct string *out);

// s[from:to], 0 <= from <= to <= len: shares the bytes. The empty string points nowhere behind the bytes.
LIB struct string string_cut(struct string s, int64_t from, int64_t to);

// a[0] + a[1] + ...: a new string, unless at most one of them is not empty: then that one itself (string.go:concatstrings).
LIB gcsim_status string_concat(gcsim_mutator *m, const gcsim_type *byte, const struct string *a,
                               int64_t n, struct string *out);
