// Go's interfaces over the public API: how a value gets into one, and what that allocates (cmd/compile/internal/walk/convert.go:dataWord,
// runtime/iface.go:convT...).
//
// An interface is two words: what is in it, and the data word, which is the value itself where that is one pointer, else the address of a
// copy that never changes. Nothing is allocated for what has no bytes, for one byte, for small numbers and for empty strings and slices:
// these lie in tables outside the objects' address space. Functions that allocate are polls: what the value points to is rooted by the caller.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"
#define LIB static __attribute__((unused))

// As it lies in memory: word 1 is a pointer. The first word is 0 (a nil interface), a type T: what a *T points to is in data; or
// T + IFACE_VALUE: a value of T is.
struct iface {
    uintptr_t type;
    void *data;
};
_Static_assert(sizeof(struct iface) == 16, "the layout of an interface field");
enum { IFACE_VALUE = 1 };

static inline const gcsim_type *iface_type(uintptr_t word)
{
    return (const gcsim_type *)(word & ~(uintptr_t)IFACE_VALUE); // NOLINT: types are aligned
}
static inline uintptr_t iface_word(const gcsim_type *t) { return (uintptr_t)t | IFACE_VALUE; }

// The ways to make a data word, in the order in which the compiler tries them.
enum iface_way {
    IFACE_DIRECT,   // the value is one pointer: it is the data word
    IFACE_NO_BYTES, // zerobase
    IFACE_BYTE,     // a bool or an integer of one byte: the table of small numbers
    IFACE_CONSTANT, // a constant: read-only data, where it lies
    IFACE_ON_STACK, // does not escape and has at most 1,024 bytes: a temporary of the caller
    IFACE_2,        // convT16, convT32, convT64: below 256 the table, else an object
    IFACE_4,
    IFACE_8,
    IFACE_STRING, // convTstring: "" is the zero value, else an object for the header
    IFACE_SLICE,  // convTslice: the same for nil
    IFACE_COPY,   // convT, convTnoptr: an object
    IFACE_WAYS
};

// Is it stored in the data word itself? (cmd/compile/internal/types/type.go:IsDirectIface)
static inline bool iface_is_direct(const gcsim_type *t)
{
    return t->bytes == 8 && t->ptr_bytes == 8;
}

// How a value of `t` becomes a data word. `sole`: the gcsim_kind of its sole component, which is what is left when structs of one field
// and arrays of one element are taken off; that of any other struct or array is its own. `constant`: it is one; `escapes`: the
// interface may outlive the caller's frame.
LIB enum iface_way iface_way(const gcsim_type *t, uint32_t sole, bool constant, bool escapes);

// Would making it allocate, for this value? It is asked for, and gets, t->bytes.
LIB bool iface_allocates(enum iface_way way, const gcsim_type *t, const void *value);

// The data word for the value at `value`. IFACE_CONSTANT and IFACE_ON_STACK: `value` itself, where the caller has put it. A poll if it allocates.
LIB gcsim_status iface_data(gcsim_mutator *m, enum iface_way way, const gcsim_type *t,
                            const void *value, void **data);

// Where the value of a data word lies, for reading: `data` itself or, if that is the value, the word at *data.
static inline const void *iface_value(const gcsim_type *t, void *const *data)
{
    return iface_is_direct(t) ? (const void *)data : *data;
}
