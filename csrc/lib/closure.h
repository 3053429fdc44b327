// Go's func values over the public API: a pointer to an object {code, captured variables} (runtime/runtime2.go:funcval,
// cmd/compile/internal/walk/closure.go).
//
// A variable is captured by value if nobody writes it after the closure was made, nobody takes its address and it has at most 128 bytes;
// any other one by reference: what is captured is a pointer to it. A method value x.M is a closure that has its receiver, of whatever
// size. Without captures there is no object: all such values point to one word of read-only data.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"
#define LIB static __attribute__((unused))

// (cmd/compile/internal/escape/escape.go:flowClosure)
static inline bool closure_by_value(uint64_t bytes, bool reassigned, bool address_taken)
{
    enum { BY_VALUE_MAX = 128 };
    return !reassigned && !address_taken && bytes <= BY_VALUE_MAX;
}

struct closure_capture {
    const gcsim_type *type; // of the variable or, by reference, of a pointer
    const void *value;      // to copy; what it points to is rooted by the caller
    uint64_t offset;        // of its field in the object
};

// The func value. n 0: `fixed`, a word that holds `code`, which stands for the function, and outlives the heap; nothing is allocated. Else a
// new object of `type`: struct { F uintptr; X0 ...; X1 ... }, the captures in the order in which the body first uses them. A poll.
LIB gcsim_status closure_make(gcsim_mutator *m, const gcsim_type *type, const uint64_t *fixed,
                              const struct closure_capture *captures, uint32_t n, void **out);

// The code of a func value, 0 for nil.
static inline uint64_t closure_code(const void *f) { return f ? *(const uint64_t *)f : 0; }
