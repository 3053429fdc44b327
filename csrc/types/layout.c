// Go's data layout on amd64. See layout.h.
#pragma once

#include "types/layout.h"

#include "base/bits.h"

static const struct {
    const char *name;
    struct layout_type type;
    uint64_t mask;
} layout_basics[LAYOUT_BASIC_KINDS] = {
#define LAYOUT_KIND(kind, word, bytes, align, ptr_bytes, mask)                                     \
    {word, {bytes, align, ptr_bytes}, mask},
    LAYOUT_KINDS(LAYOUT_KIND)
#undef LAYOUT_KIND
};

CORE struct layout_type layout_basic(enum layout_kind kind) { return layout_basics[kind].type; }
CORE uint64_t layout_basic_mask(enum layout_kind kind) { return layout_basics[kind].mask; }
CORE const char *layout_kind_name(enum layout_kind kind) { return layout_basics[kind].name; }

CORE bool layout_is_valid(struct layout_type type)
{
    if (type.align == 0 || (type.align & (type.align - 1)) != 0 || type.align > LAYOUT_MAX_ALIGN)
        return false;
    if (type.bytes > LAYOUT_MAX_BYTES || type.bytes % type.align != 0)
        return false;
    // Pointers are whole aligned words, or the collector would not see them.
    return type.ptr_bytes <= type.bytes && type.ptr_bytes % LAYOUT_WORD_BYTES == 0 &&
           (type.ptr_bytes == 0 || type.align >= LAYOUT_WORD_BYTES);
}

CORE enum layout_status layout_struct(const struct layout_type *fields, size_t n,
                                      uint64_t *offsets_out, struct layout_type *result)
{
    uint64_t end = 0;
    *result = (struct layout_type){.bytes = 0, .align = 1, .ptr_bytes = 0};
    for (size_t i = 0; i < n; i++) {
        struct layout_type field = fields[i];
        if (!layout_is_valid(field))
            return LAYOUT_BAD_PART;
        uint64_t offset = round_up(end, field.align);
        end = offset + field.bytes; // both at most LAYOUT_MAX_BYTES plus an alignment: no overflow
        if (end > LAYOUT_MAX_BYTES)
            return LAYOUT_TOO_LARGE;
        offsets_out[i] = offset;
        if (field.ptr_bytes > 0)
            result->ptr_bytes = offset + field.ptr_bytes;
        if (field.align > result->align)
            result->align = field.align;
    }
    // The address of a zero-size last field must not be that of the next object
    // (size.go:CalcStructSize).
    if (end > 0 && fields[n - 1].bytes == 0)
        end++;
    result->bytes = round_up(end, result->align);
    return result->bytes > LAYOUT_MAX_BYTES ? LAYOUT_TOO_LARGE : LAYOUT_OK;
}

CORE enum layout_status layout_array(struct layout_type elem, uint64_t count,
                                     struct layout_type *result)
{
    if (!layout_is_valid(elem))
        return LAYOUT_BAD_PART;
    *result = (struct layout_type){.bytes = 0, .align = elem.align, .ptr_bytes = 0};
    if (elem.bytes == 0 || count == 0)
        return LAYOUT_OK;
    if (count > LAYOUT_MAX_BYTES / elem.bytes)
        return LAYOUT_TOO_LARGE;
    result->bytes = elem.bytes * count;
    if (elem.ptr_bytes > 0)
        result->ptr_bytes = elem.bytes * (count - 1) + elem.ptr_bytes;
    return LAYOUT_OK;
}

CORE void layout_mask_place(uint64_t *dst, uint64_t word_offset, const uint64_t *src_mask,
                            uint64_t src_words)
{
    for (uint64_t done = 0; done < src_words; done += 64) {
        uint64_t left = src_words - done;
        uint64_t bits = src_mask[done / 64] & bits_low(left < 64 ? (unsigned)left : 64);
        uint64_t at = word_offset + done;
        unsigned shift = at % 64;
        dst[at / 64] |= bits << shift;
        // A bit carried into the next word lies inside dst; with nothing to carry that word may not
        // exist.
        uint64_t carry = shift > 0 ? bits >> (64 - shift) : 0;
        if (carry != 0)
            dst[at / 64 + 1] |= carry;
    }
}

CORE void layout_mask_tile(uint64_t *dst, uint64_t word_offset, const uint64_t *elem_mask,
                           struct layout_type elem, uint64_t count)
{
    if (elem.ptr_bytes == 0)
        return;
    // A type with pointers is a whole number of words: its alignment says so.
    uint64_t stride_words = elem.bytes / LAYOUT_WORD_BYTES,
             ptr_words = elem.ptr_bytes / LAYOUT_WORD_BYTES;
    for (uint64_t i = 0; i < count; i++)
        layout_mask_place(dst, word_offset + i * stride_words, elem_mask, ptr_words);
}

// Does field a go before field b? Total: no two fields are equal, so the sort below need not be
// stable.
static bool layout_goes_before(const struct layout_type *fields, uint32_t a, uint32_t b)
{
    struct layout_type x = fields[a], y = fields[b];
    if ((x.bytes == 0) != (y.bytes == 0))
        return x.bytes == 0;
    if (x.align != y.align)
        return x.align > y.align;
    if ((x.ptr_bytes == 0) != (y.ptr_bytes == 0))
        return x.ptr_bytes != 0;
    uint64_t x_tail = x.bytes - x.ptr_bytes, y_tail = y.bytes - y.ptr_bytes;
    if (x.ptr_bytes != 0 && x_tail != y_tail)
        return x_tail < y_tail;
    if (x.bytes != y.bytes)
        return x.bytes > y.bytes;
    return a < b;
}

static void layout_sift_down(const struct layout_type *fields, uint32_t *heap, size_t root,
                             size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && layout_goes_before(fields, heap[child], heap[child + 1]))
            child++;
        if (!layout_goes_before(fields, heap[root], heap[child]))
            return;
        uint32_t swap = heap[root];
        heap[root] = heap[child];
        heap[child] = swap;
    }
}

// Heap sort: in place and n log n, for structs of any number of fields.
CORE void layout_best_order(const struct layout_type *fields, size_t n, uint32_t *order_out)
{
    for (size_t i = 0; i < n; i++)
        order_out[i] = (uint32_t)i;
    for (size_t i = n / 2; i-- > 0;)
        layout_sift_down(fields, order_out, i, n);
    for (size_t last = n; last-- > 1;) {
        uint32_t swap = order_out[0];
        order_out[0] = order_out[last];
        order_out[last] = swap;
        layout_sift_down(fields, order_out, 0, last);
    }
}
