// Size classes: the decisions of malloc that depend on nothing but the size and the noscan flag.
// See sizeclass.h.
#include "alloc/sizeclass.h"

_Static_assert(SIZE_CLASS_FOR(MAX_SLOT_BYTES) == NUM_SIZE_CLASSES - 1,
               "largest slot is the last class");
_Static_assert(sizeof(size_class_by_8) == 129 && sizeof(size_class_by_128) == 249,
               "tables complete");
_Static_assert(SPAN_INLINE_MARKS_BYTES == SPAN_HEAP_BITS_BYTES, "both blocks have one size");

// A scan object above 512 bytes is preceded by its type word, which counts when the class is
// chosen.
static uint64_t sizeclass_header_bytes(uint64_t bytes, bool noscan)
{
    return !noscan && bytes > MAX_HEAP_BITS_SLOT_BYTES ? MALLOC_HEADER_BYTES : 0;
}

CORE struct sizeclass_rule sizeclass_resolve(uint64_t bytes, bool noscan)
{
    struct sizeclass_rule rule = {0};
    if (bytes == 0)
        return rule;

    if (bytes > MAX_SMALL_BYTES) {
        bool fits = bytes <= UINT64_MAX - (PAGE_BYTES - 1);
        rule.large = true;
        rule.span_pages = fits ? (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT : UINT64_MAX >> PAGE_SHIFT;
        rule.slot_bytes = rule.usable_bytes = rule.span_pages << PAGE_SHIFT;
        return rule;
    }

    rule.tiny = noscan && bytes < TINY_BYTES;
    rule.header_bytes = (uint32_t)sizeclass_header_bytes(bytes, noscan);
    rule.size_class =
        rule.tiny ? TINY_SIZE_CLASS : (uint8_t)sizeclass_of(bytes + rule.header_bytes);
    rule.slot_bytes = size_class_slot_bytes[rule.size_class];
    rule.span_pages = size_class_pages[rule.size_class];
    rule.usable_bytes = rule.slot_bytes - rule.header_bytes;
    return rule;
}

CORE uint64_t roundupsize(uint64_t bytes, bool noscan)
{
    if (bytes <= MAX_SMALL_BYTES) {
        uint64_t header = sizeclass_header_bytes(bytes, noscan);
        return size_class_slot_bytes[sizeclass_of(bytes + header)] - header;
    }
    if (bytes > UINT64_MAX - (PAGE_BYTES - 1))
        return bytes;
    return (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

// From low to high: objects, unused tail, pointer bitmap, inline mark bits (mheap.go:initSpan,
// mbitmap.go:spanHeapBitsRange, mgcmark_greenteagc.go:spanInlineMarkBitsFromBase). Only one-page
// spans have such blocks.
CORE struct span_geometry span_geometry(unsigned size_class, bool noscan, bool green_tea)
{
    uint32_t slot = size_class_slot_bytes[size_class];
    uint32_t end = (uint32_t)size_class_pages[size_class] * PAGE_BYTES;
    struct span_geometry g = {.heap_bits_offset = NO_OFFSET, .inline_marks_offset = NO_OFFSET};
    if (size_class == LARGE_SIZE_CLASS) {
        g.nelems = 1;
        return g;
    }
    bool small = slot <= MAX_HEAP_BITS_SLOT_BYTES;
    if (green_tea && small && slot >= MIN_INLINE_MARKS_SLOT_BYTES)
        g.inline_marks_offset = end -= SPAN_INLINE_MARKS_BYTES;
    if (!noscan && small)
        g.heap_bits_offset = end -= SPAN_HEAP_BITS_BYTES;
    g.nelems = end / slot;
    g.limit_bytes = g.nelems * slot;
    return g;
}
