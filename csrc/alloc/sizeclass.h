// Size classes: which slot an allocation request gets, and how a span of each class is laid out.
//
// Owns Go's table of 68 classes, once, as SIZE_CLASSES; the compiler derives the other tables from
// it. All of it is constant data and pure functions: no state, no initialisation, callable from
// anywhere. Class 0 means "a span of its own" (large objects).
#pragma once

#include "base/core.h"

enum {
    PAGE_SHIFT = 13,
    PAGE_BYTES = 1 << PAGE_SHIFT,
    NUM_SIZE_CLASSES = 68,
    NUM_SPAN_CLASSES = 2 * NUM_SIZE_CLASSES,
    MALLOC_HEADER_BYTES = 8,        // type word before a scan object (mallocgcSmallScanHeader)
    MAX_SLOT_BYTES = 32768,         // slot of the last class
    MAX_SMALL_BYTES = 32760,        // largest small request, noscan too (malloc.go:mallocgc)
    MAX_HEAP_BITS_SLOT_BYTES = 512, // up to here a scan span holds its pointer bitmap
    MIN_INLINE_MARKS_SLOT_BYTES =
        16, // from here to 512 a span keeps room for its mark bits (Green Tea)
    SPAN_HEAP_BITS_BYTES = PAGE_BYTES / 8 / 8, // one bit per word of the page
    SPAN_INLINE_MARKS_BYTES = 128,             // mgcmark_greenteagc.go:spanInlineMarkBits
    MAX_SPAN_OBJECTS = 1024,
    MAX_CLASS_SPAN_PAGES = 10,
    TINY_BYTES = 16, // smaller noscan requests share a block (mallocgcTiny)
    TINY_SIZE_CLASS = 2,
    TINY_SPAN_CLASS = TINY_SIZE_CLASS << 1 | 1,
    LARGE_SIZE_CLASS = 0,
};

// clang-format off
// X(class, slot bytes, span pages, arg), in rising order (sizeclasses.go).
#define SIZE_CLASSES(X, arg) \
    X(0, 0, 0, arg)       X(1, 8, 1, arg)       X(2, 16, 1, arg)      X(3, 24, 1, arg)      \
    X(4, 32, 1, arg)      X(5, 48, 1, arg)      X(6, 64, 1, arg)      X(7, 80, 1, arg)      \
    X(8, 96, 1, arg)      X(9, 112, 1, arg)     X(10, 128, 1, arg)    X(11, 144, 1, arg)    \
    X(12, 160, 1, arg)    X(13, 176, 1, arg)    X(14, 192, 1, arg)    X(15, 208, 1, arg)    \
    X(16, 224, 1, arg)    X(17, 240, 1, arg)    X(18, 256, 1, arg)    X(19, 288, 1, arg)    \
    X(20, 320, 1, arg)    X(21, 352, 1, arg)    X(22, 384, 1, arg)    X(23, 416, 1, arg)    \
    X(24, 448, 1, arg)    X(25, 480, 1, arg)    X(26, 512, 1, arg)    X(27, 576, 1, arg)    \
    X(28, 640, 1, arg)    X(29, 704, 1, arg)    X(30, 768, 1, arg)    X(31, 896, 1, arg)    \
    X(32, 1024, 1, arg)   X(33, 1152, 1, arg)   X(34, 1280, 1, arg)   X(35, 1408, 2, arg)   \
    X(36, 1536, 1, arg)   X(37, 1792, 2, arg)   X(38, 2048, 1, arg)   X(39, 2304, 2, arg)   \
    X(40, 2688, 1, arg)   X(41, 3072, 3, arg)   X(42, 3200, 2, arg)   X(43, 3456, 3, arg)   \
    X(44, 4096, 1, arg)   X(45, 4864, 3, arg)   X(46, 5376, 2, arg)   X(47, 6144, 3, arg)   \
    X(48, 6528, 4, arg)   X(49, 6784, 5, arg)   X(50, 6912, 6, arg)   X(51, 8192, 1, arg)   \
    X(52, 9472, 7, arg)   X(53, 9728, 6, arg)   X(54, 10240, 5, arg)  X(55, 10880, 4, arg)  \
    X(56, 12288, 3, arg)  X(57, 13568, 5, arg)  X(58, 14336, 7, arg)  X(59, 16384, 2, arg)  \
    X(60, 18432, 9, arg)  X(61, 19072, 7, arg)  X(62, 20480, 5, arg)  X(63, 21760, 8, arg)  \
    X(64, 24576, 3, arg)  X(65, 27264, 10, arg) X(66, 28672, 7, arg)  X(67, 32768, 4, arg)

#define SIZE_CLASS_SLOT(c, bytes, pages, arg) bytes,
#define SIZE_CLASS_PAGES(c, bytes, pages, arg) pages,
// ceil(2^32 / bytes): (offset * magic) >> 32 is the object index for every offset inside a span.
// For class 0 it is 0, so any interior pointer has index 0 (and the compiler must not divide by its
// size).
#define SIZE_CLASS_DIV_MAGIC(c, bytes, pages, arg) \
    (bytes) == 0 ? 0 : UINT32_MAX / ((bytes) == 0 ? 1 : (bytes)) + 1,

static const uint16_t size_class_slot_bytes[NUM_SIZE_CLASSES] = {SIZE_CLASSES(SIZE_CLASS_SLOT, )};
static const uint8_t size_class_pages[NUM_SIZE_CLASSES] = {SIZE_CLASSES(SIZE_CLASS_PAGES, )};
static const uint32_t size_class_div_magic[NUM_SIZE_CLASSES] = {
    SIZE_CLASSES(SIZE_CLASS_DIV_MAGIC, )};

// By span class, what an address in a span with inline mark bits needs to become a slot number. Limit 0: spans of the class have none.
struct inline_class {
    uint32_t div_magic;
    uint16_t limit_bytes; // as in struct span_geometry
    uint16_t slot_bytes;
};
#define INLINE_LIMIT(bytes, tail) \
    ((bytes) < MIN_INLINE_MARKS_SLOT_BYTES || (bytes) > MAX_HEAP_BITS_SLOT_BYTES \
         ? 0 : (PAGE_BYTES - (tail)) / ((bytes) == 0 ? 1 : (bytes)) * (bytes))
#define INLINE_CLASSES(c, bytes, pages, arg) \
    {SIZE_CLASS_DIV_MAGIC(c, bytes, pages, arg) \
     INLINE_LIMIT(bytes, SPAN_INLINE_MARKS_BYTES + SPAN_HEAP_BITS_BYTES), bytes}, \
    {SIZE_CLASS_DIV_MAGIC(c, bytes, pages, arg) \
     INLINE_LIMIT(bytes, SPAN_INLINE_MARKS_BYTES), bytes},
static const struct inline_class inline_classes[NUM_SPAN_CLASSES] = {SIZE_CLASSES(INLINE_CLASSES, )};

// The smallest class that holds n bytes is the number of classes whose slot is smaller than n
// (class 0 counts as one, and n = 0 gives 0).
#define SIZE_CLASS_IS_SMALLER(c, bytes, pages, n) + ((bytes) < (n))
#define SIZE_CLASS_FOR(n) (0 SIZE_CLASSES(SIZE_CLASS_IS_SMALLER, n))

#define SIZE_CLASS_STEP_8(i) SIZE_CLASS_FOR((i) * 8)
#define SIZE_CLASS_STEP_128(i) SIZE_CLASS_FOR(1024 + (i) * 128)
#define SIZE_CLASS_REPEAT_4(F, i) F(i), F(i + 1), F(i + 2), F(i + 3)
#define SIZE_CLASS_REPEAT_16(F, i) \
    SIZE_CLASS_REPEAT_4(F, i), SIZE_CLASS_REPEAT_4(F, i + 4), \
    SIZE_CLASS_REPEAT_4(F, i + 8), SIZE_CLASS_REPEAT_4(F, i + 12)
#define SIZE_CLASS_REPEAT_64(F, i) \
    SIZE_CLASS_REPEAT_16(F, i), SIZE_CLASS_REPEAT_16(F, i + 16), \
    SIZE_CLASS_REPEAT_16(F, i + 32), SIZE_CLASS_REPEAT_16(F, i + 48)

// Class by ceil(bytes / 8) up to 1024 bytes, and by ceil((bytes - 1024) / 128) above.
static const uint8_t size_class_by_8[1024 / 8 + 1] = {
    SIZE_CLASS_REPEAT_64(SIZE_CLASS_STEP_8, 0), SIZE_CLASS_REPEAT_64(SIZE_CLASS_STEP_8, 64),
    SIZE_CLASS_STEP_8(128),
};
static const uint8_t size_class_by_128[(MAX_SLOT_BYTES - 1024) / 128 + 1] = {
    SIZE_CLASS_REPEAT_64(SIZE_CLASS_STEP_128, 0), SIZE_CLASS_REPEAT_64(SIZE_CLASS_STEP_128, 64),
    SIZE_CLASS_REPEAT_64(SIZE_CLASS_STEP_128, 128), SIZE_CLASS_REPEAT_16(SIZE_CLASS_STEP_128, 192),
    SIZE_CLASS_REPEAT_16(SIZE_CLASS_STEP_128, 208), SIZE_CLASS_REPEAT_16(SIZE_CLASS_STEP_128, 224),
    SIZE_CLASS_REPEAT_4(SIZE_CLASS_STEP_128, 240), SIZE_CLASS_REPEAT_4(SIZE_CLASS_STEP_128, 244),
    SIZE_CLASS_STEP_128(248),
};
// clang-format on

// The class whose slot is the smallest that holds `bytes`, 0 <= bytes <= MAX_SLOT_BYTES; 0 for 0.
CORE_INLINE unsigned sizeclass_of(uint64_t bytes)
{
    if (bytes <= 1024)
        return size_class_by_8[(bytes + 7) / 8];
    return size_class_by_128[(bytes - 1024 + 127) / 128];
}

// A span class is a size class with the noscan flag in the lowest bit.
CORE_INLINE unsigned span_class_of(unsigned size_class, bool noscan)
{
    return size_class << 1 | noscan;
}
CORE_INLINE unsigned span_class_size_class(unsigned span_class) { return span_class >> 1; }
CORE_INLINE bool span_class_is_noscan(unsigned span_class) { return span_class & 1; }

// What malloc does with a request. A zero-size request has neither memory nor class: every field is
// 0. A large request gets a span of its own (size_class 0, large, slot_bytes = whole pages). A
// request within a page of 2^64 cannot be rounded up: its slot saturates at the last whole page, so
// that usable_bytes < bytes and no heap can hold it.
struct sizeclass_rule {
    uint8_t size_class;
    bool tiny; // shares a 16-byte block with other tiny objects
    bool large;
    uint32_t header_bytes; // 8: the slot opens with a type word, the object follows
    uint64_t slot_bytes;
    uint64_t span_pages;
    uint64_t usable_bytes; // slot_bytes - header_bytes
};

CORE struct sizeclass_rule sizeclass_resolve(uint64_t bytes, bool noscan);

// The capacity in bytes that append rounds a request up to (msize.go:roundupsize); `bytes` itself
// if that overflows.
CORE uint64_t roundupsize(uint64_t bytes, bool noscan);

#define NO_OFFSET UINT32_MAX

// Where things lie in a span: objects from 0 to limit_bytes, then the metadata blocks of the class.
struct span_geometry {
    uint32_t nelems;
    uint32_t heap_bits_offset;    // or NO_OFFSET
    uint32_t inline_marks_offset; // or NO_OFFSET
    uint32_t limit_bytes;         // nelems * slot
};

// For class 0: one object, nothing inside, limit 0 because the span's length is not known here.
CORE struct span_geometry span_geometry(unsigned size_class, bool noscan, bool green_tea);
