// Size classes against the rule that makes Go's table, and against plain searches. Golden-free; the
// comparison with Go's own numbers is in the Python conformance tests.
#include "alloc/sizeclass.c"

#include <inttypes.h>

static int failures;

static void check(bool ok, const char *what)
{
    printf("%s  %s\n", ok ? "ok  " : "FAIL", what);
    failures += !ok;
}

// Go's recipe (mksizeclasses.go): sizes rise in steps that keep alignment useful, a span has the
// fewest pages that waste at most an eighth, and a class that yields no more objects per span than
// the next one is dropped.
static unsigned made_slot[NUM_SIZE_CLASSES + 1], made_pages[NUM_SIZE_CLASSES + 1];

static unsigned make_classes(void)
{
    unsigned n = 1, align = 8;
    for (unsigned size = 8; size <= MAX_SLOT_BYTES; size += align) {
        if ((size & (size - 1)) == 0) {
            if (size >= 2048)
                align = 256;
            else if (size >= 128)
                align = size / 8;
            else if (size >= 32)
                align = 16;
        }
        unsigned pages = 1;
        while (pages * PAGE_BYTES % size > pages * PAGE_BYTES / 8)
            pages++;
        bool as_many = n > 1 && pages == made_pages[n - 1] &&
                       pages * PAGE_BYTES / size == pages * PAGE_BYTES / made_slot[n - 1];
        if (!as_many)
            n++;
        if (n > NUM_SIZE_CLASSES)
            return n;
        made_slot[n - 1] = size;
        made_pages[n - 1] = pages;
    }
    // Then each class grows to the largest multiple of 128 that keeps its number of objects.
    for (unsigned c = 1; c < n; c++) {
        unsigned span = made_pages[c] * PAGE_BYTES, objects = span / made_slot[c];
        unsigned largest = span / objects & ~127u;
        if (largest > made_slot[c])
            made_slot[c] = largest;
    }
    return n;
}

static bool table_is_made_by_rule(void)
{
    if (make_classes() != NUM_SIZE_CLASSES)
        return false;
    for (unsigned c = 1; c < NUM_SIZE_CLASSES; c++)
        if (made_slot[c] != size_class_slot_bytes[c] || made_pages[c] != size_class_pages[c]) {
            printf("      class %u: %u bytes, %u pages by the rule\n", c, made_slot[c],
                   made_pages[c]);
            return false;
        }
    return size_class_slot_bytes[0] == 0 && size_class_pages[0] == 0;
}

static bool look_up_is_smallest_fit(void)
{
    if (sizeclass_of(0) != 0)
        return false;
    for (unsigned bytes = 1; bytes <= MAX_SLOT_BYTES; bytes++) {
        unsigned c = 1;
        while (size_class_slot_bytes[c] < bytes)
            c++;
        if (sizeclass_of(bytes) != c) {
            printf("      %u bytes: class %u, smallest that fits is %u\n", bytes,
                   sizeclass_of(bytes), c);
            return false;
        }
    }
    return true;
}

static bool div_magic_divides(void)
{
    for (unsigned c = 1; c < NUM_SIZE_CLASSES; c++)
        for (uint64_t offset = 0; offset < (uint64_t)size_class_pages[c] * PAGE_BYTES; offset++)
            if (offset * size_class_div_magic[c] >> 32 != offset / size_class_slot_bytes[c])
                return false;
    return size_class_div_magic[0] == 0;
}

// What the request's slot must be, said as properties.
static bool rule_holds(uint64_t bytes, bool noscan)
{
    struct sizeclass_rule r = sizeclass_resolve(bytes, noscan);
    bool tiny = noscan && bytes < 16;
    bool header = !noscan && bytes > 512 && bytes <= 32760;
    if (r.tiny != tiny || r.large != (bytes > 32760) || r.header_bytes != (header ? 8 : 0))
        return false;
    if (r.usable_bytes != r.slot_bytes - r.header_bytes || r.usable_bytes < bytes)
        return false;
    if (r.large)
        return r.size_class == 0 && r.slot_bytes % 8192 == 0 && r.slot_bytes - bytes < 8192 &&
               r.span_pages == r.slot_bytes / 8192 && roundupsize(bytes, noscan) == r.slot_bytes;
    if (r.size_class == 0 || r.size_class >= NUM_SIZE_CLASSES)
        return false;
    uint64_t smaller_slot = size_class_slot_bytes[r.size_class - 1];
    bool smallest = tiny ? r.slot_bytes == 16 : smaller_slot < bytes + r.header_bytes;
    uint64_t rounded = tiny ? (bytes <= 8 ? 8 : 16) : r.usable_bytes;
    return smallest && r.slot_bytes == size_class_slot_bytes[r.size_class] &&
           r.span_pages == size_class_pages[r.size_class] && roundupsize(bytes, noscan) == rounded;
}

static bool requests_get_the_smallest_slot(void)
{
    for (int noscan = 0; noscan < 2; noscan++) {
        for (uint64_t bytes = 1; bytes <= 100000; bytes++)
            if (!rule_holds(bytes, noscan)) {
                printf("      %" PRIu64 " bytes, noscan %d\n", bytes, noscan);
                return false;
            }
        for (unsigned shift = 17; shift < 64; shift++)
            for (int delta = -1; delta <= 1; delta++)
                if (!rule_holds((1ull << shift) + delta, noscan))
                    return false;
        if (!rule_holds(UINT64_MAX - 8191, noscan))
            return false;
    }
    return true;
}

static bool zero_size_has_no_slot(void)
{
    for (int noscan = 0; noscan < 2; noscan++) {
        struct sizeclass_rule r = sizeclass_resolve(0, noscan);
        if (r.size_class || r.tiny || r.large || r.header_bytes || r.slot_bytes || r.span_pages ||
            r.usable_bytes || roundupsize(0, noscan) != 0)
            return false;
    }
    return true;
}

static bool overflow_is_visible(void)
{
    for (uint64_t less = 0; less < 8191; less++) {
        uint64_t bytes = UINT64_MAX - less;
        struct sizeclass_rule r = sizeclass_resolve(bytes, true);
        if (!r.large || r.usable_bytes >= bytes || r.span_pages != r.slot_bytes / 8192 ||
            r.span_pages < 1ull << 50 || roundupsize(bytes, true) != bytes)
            return false;
    }
    return true;
}

// Every word of the objects has a bit in the span's bitmap, every object a mark, blocks do not
// overlap, and one more object would not fit.
static bool geometry_holds(unsigned c, bool noscan, bool green_tea)
{
    struct span_geometry g = span_geometry(c, noscan, green_tea);
    uint32_t slot = size_class_slot_bytes[c], span = size_class_pages[c] * 8192u, end = span;
    bool bits = !noscan && slot <= 512, marks = green_tea && slot >= 16 && slot <= 512;
    if ((g.heap_bits_offset != NO_OFFSET) != bits || (g.inline_marks_offset != NO_OFFSET) != marks)
        return false;
    if (marks) {
        end -= 128;
        if (g.inline_marks_offset != end || span != 8192 || g.nelems > 63 * 8)
            return false;
    }
    if (bits) {
        end -= 128;
        if (g.heap_bits_offset != end || span != 8192)
            return false;
    }
    const struct inline_class *known = &inline_classes[2 * c + noscan];
    if (green_tea && (known->limit_bytes != (marks ? g.limit_bytes : 0) ||
                      known->slot_bytes != slot || known->div_magic != size_class_div_magic[c]))
        return false;
    return g.limit_bytes == g.nelems * slot && g.limit_bytes <= end && g.limit_bytes + slot > end &&
           g.nelems > 0 && g.nelems <= MAX_SPAN_OBJECTS;
}

static bool geometries_hold(void)
{
    for (unsigned c = 1; c < NUM_SIZE_CLASSES; c++)
        for (int flags = 0; flags < 4; flags++)
            if (!geometry_holds(c, flags & 1, flags & 2)) {
                printf("      class %u, noscan %d, green tea %d\n", c, flags & 1, flags >> 1);
                return false;
            }
    return span_geometry(0, true, true).nelems == 1;
}

// A few numbers that Go printed, so that a slip in both rule and oracle shows.
static bool printed_by_go(void)
{
    return roundupsize(100, true) == 112 && roundupsize(513, false) == 568 &&
           roundupsize(513, true) == 576 && roundupsize(1024, false) == 1144 &&
           roundupsize(1017, true) == 1024 && roundupsize(32760, false) == 32760 &&
           roundupsize(32760, true) == 32768 && roundupsize(32761, true) == 32768 &&
           roundupsize(32769, true) == 40960 && sizeclass_resolve(1024, false).slot_bytes == 1152 &&
           sizeclass_resolve(15, true).tiny && !sizeclass_resolve(16, true).tiny &&
           sizeclass_resolve(8, false).size_class == 1 &&
           span_geometry(2, false, true).nelems == 496 &&
           span_geometry(2, true, true).nelems == 504 &&
           span_geometry(1, false, true).nelems == 1008 &&
           span_geometry(1, true, true).nelems == 1024 &&
           span_geometry(26, true, true).nelems == 15 &&
           span_geometry(26, true, false).nelems == 16;
}

static bool span_classes_round_trip(void)
{
    for (unsigned sc = 0; sc < NUM_SPAN_CLASSES; sc++)
        if (span_class_of(span_class_size_class(sc), span_class_is_noscan(sc)) != sc)
            return false;
    return span_class_of(TINY_SIZE_CLASS, true) == TINY_SPAN_CLASS && TINY_SPAN_CLASS == 5;
}

int main(void)
{
    check(table_is_made_by_rule(), "the 68 classes are those that Go's recipe makes");
    check(look_up_is_smallest_fit(), "look-up gives the smallest class that fits, 1..32768 bytes");
    check(div_magic_divides(), "div_magic divides every offset of every span exactly");
    check(requests_get_the_smallest_slot(),
          "requests: tiny, header, large, smallest slot, roundupsize");
    check(zero_size_has_no_slot(), "a zero-size request has no slot");
    check(overflow_is_visible(), "requests near 2^64 saturate below themselves");
    check(geometries_hold(),
          "span geometry: blocks fit, nothing overlaps, no room for one more object");
    check(printed_by_go(), "numbers printed by Go 1.26");
    check(span_classes_round_trip(), "span classes round trip");
    return failures > 0;
}
