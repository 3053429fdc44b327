// Go's data layout on amd64: the size, alignment and pointers of every kind of type.
//
// Pure functions over numbers: no state, no allocation, callable from anywhere; the caller brings
// the arrays. A type is three numbers (struct layout_type) and, where it holds pointers, a mask.
//
// A mask has one bit per 8-byte word of the first ptr_bytes of a type: bit i of 64-bit word j says
// that the word at byte 8 * (64 * j + i) is a pointer. Behind ptr_bytes there are no pointers, so
// there are no bits either.
//
// The type word of an interface is no pointer to the collector: it points to what never moves and
// never dies.
//
// Sources: kinds and struct rules cmd/compile/internal/types/size.go (CalcSize, calcStructOffset,
// CalcStructSize), masks cmd/compile/internal/typebits (Set) and internal/abi/type.go
// (Type.PtrBytes, Type.GCData).
#pragma once

#include "base/core.h"

#define LAYOUT_WORD_BYTES 8u           // a pointer (internal/goarch PtrSize)
#define LAYOUT_MAX_ALIGN  4096u        // Go needs 8; the head-room is for C callers
#define LAYOUT_MAX_BYTES  (1ull << 40) // of a type; Go allows 2^50 (amd64/galign.go MAXWIDTH)

// X(enumerator, Go's word, bytes, align, ptr_bytes, mask). Arrays and structs are made of parts:
// layout_array, layout_struct.
#define LAYOUT_KINDS(X)                                                                            \
    X(BOOL, "bool", 1, 1, 0, 0)                                                                    \
    X(INT, "int", 8, 8, 0, 0)                                                                      \
    X(INT8, "int8", 1, 1, 0, 0)                                                                    \
    X(INT16, "int16", 2, 2, 0, 0)                                                                  \
    X(INT32, "int32", 4, 4, 0, 0)                                                                  \
    X(INT64, "int64", 8, 8, 0, 0)                                                                  \
    X(UINT, "uint", 8, 8, 0, 0)                                                                    \
    X(UINT8, "uint8", 1, 1, 0, 0)                                                                  \
    X(UINT16, "uint16", 2, 2, 0, 0)                                                                \
    X(UINT32, "uint32", 4, 4, 0, 0)                                                                \
    X(UINT64, "uint64", 8, 8, 0, 0)                                                                \
    X(UINTPTR, "uintptr", 8, 8, 0, 0)                                                              \
    X(FLOAT32, "float32", 4, 4, 0, 0)                                                              \
    X(FLOAT64, "float64", 8, 8, 0, 0)                                                              \
    X(COMPLEX64, "complex64", 8, 4, 0, 0)    /* two float32 */                                     \
    X(COMPLEX128, "complex128", 16, 8, 0, 0) /* two float64 */                                     \
    X(STRING, "string", 16, 8, 8, 1)         /* data, len */                                       \
    X(SLICE, "slice", 24, 8, 8, 1)           /* data, len, cap */                                  \
    X(POINTER, "pointer", 8, 8, 8, 1)                                                              \
    X(UNSAFE_POINTER, "unsafe.Pointer", 8, 8, 8, 1)                                                \
    X(INTERFACE, "interface", 16, 8, 16, 2) /* type word, data */                                  \
    X(MAP, "map", 8, 8, 8, 1)                                                                      \
    X(CHAN, "chan", 8, 8, 8, 1)                                                                    \
    X(FUNC, "func", 8, 8, 8, 1)

enum layout_kind {
#define LAYOUT_KIND(name, word, bytes, align, ptr_bytes, mask) LAYOUT_##name,
    LAYOUT_KINDS(LAYOUT_KIND)
#undef LAYOUT_KIND
        LAYOUT_BASIC_KINDS, // how many kinds have a fixed layout
};

struct layout_type {
    uint64_t bytes;
    uint32_t align;     // a power of two
    uint64_t ptr_bytes; // prefix to scan: up to the end of the last pointer; 0 = noscan
};

enum layout_status {
    LAYOUT_OK = 0,
    LAYOUT_TOO_LARGE, // the result would pass LAYOUT_MAX_BYTES
    LAYOUT_BAD_PART,  // a part contradicts itself (see layout_is_valid)
};

CORE struct layout_type layout_basic(enum layout_kind kind);
CORE uint64_t layout_basic_mask(enum layout_kind kind);
CORE const char *layout_kind_name(enum layout_kind kind);

// The rules that every type obeys and that the functions below ask of their parts.
CORE bool layout_is_valid(struct layout_type type);

// A struct of n fields in this order: offsets_out[i] is the offset of field i. On error nothing is
// promised about the outputs.
CORE enum layout_status layout_struct(const struct layout_type *fields, size_t n,
                                      uint64_t *offsets_out, struct layout_type *result);

CORE enum layout_status layout_array(struct layout_type elem, uint64_t count,
                                     struct layout_type *result);

// 64-bit words in the mask of a type; its last word is filled up with zeros.
CORE_INLINE uint64_t layout_mask_words(struct layout_type type)
{
    return (type.ptr_bytes / LAYOUT_WORD_BYTES + 63) / 64;
}

// Adds src_words bits of src to dst from bit word_offset on ("words" are the 8-byte words that the
// bits stand for). dst starts zeroed and covers these bits.
CORE void layout_mask_place(uint64_t *dst, uint64_t word_offset, const uint64_t *src_mask,
                            uint64_t src_words);

// The same for count elements in a row, as an array lays them.
CORE void layout_mask_tile(uint64_t *dst, uint64_t word_offset, const uint64_t *elem_mask,
                           struct layout_type elem, uint64_t count);

// The order of fields that wastes nothing: order_out[k] is the index of the field to put k-th.
// Zero-size fields come first (last they would cost a byte), then larger alignment (no gaps
// between), then pointers before none and fewer bytes behind the last pointer (a short prefix to
// scan), then larger size; ties keep their order. The idea is golang.org/x/tools fieldalignment's.
CORE void layout_best_order(const struct layout_type *fields, size_t n, uint32_t *order_out);
