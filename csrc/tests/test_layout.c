// Struct layout, masks and best order on cases worked out by hand.
#include "types/layout.c"

static int failures;

#define CHECK(cond)                                                                                \
    ((cond) ? (void)0                                                                              \
            : (failures++, (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond)))

static struct layout_type basic(enum layout_kind kind) { return layout_basic(kind); }

static bool is(struct layout_type t, uint64_t bytes, uint32_t align, uint64_t ptr_bytes)
{
    return t.bytes == bytes && t.align == align && t.ptr_bytes == ptr_bytes;
}

static void every_basic_kind_is_valid_and_its_mask_ends_with_its_pointers(void)
{
    for (int k = 0; k < LAYOUT_BASIC_KINDS; k++) {
        struct layout_type t = basic(k);
        CHECK(layout_is_valid(t) && t.bytes > 0);
        uint64_t mask = layout_basic_mask(k);
        CHECK(mask == 0 ? t.ptr_bytes == 0 : t.ptr_bytes == 8 * (bits_highest(mask) + 1));
    }
    CHECK(strcmp(layout_kind_name(LAYOUT_UNSAFE_POINTER), "unsafe.Pointer") == 0);
    CHECK(is(basic(LAYOUT_COMPLEX64), 8, 4, 0) && is(basic(LAYOUT_INTERFACE), 16, 8, 16));
    CHECK(layout_basic_mask(LAYOUT_INTERFACE) == 2); // the type word is not scanned
}

static void padding_goes_where_alignment_asks(void)
{
    struct layout_type result, f[] = {basic(LAYOUT_BOOL), basic(LAYOUT_INT64), basic(LAYOUT_BOOL),
                                      basic(LAYOUT_STRING), basic(LAYOUT_UINT16)};
    uint64_t at[5];
    CHECK(layout_struct(f, 5, at, &result) == LAYOUT_OK);
    CHECK(at[0] == 0 && at[1] == 8 && at[2] == 16 && at[3] == 24 && at[4] == 40);
    CHECK(is(result, 48, 8, 32)); // the string's pointer at 24 is the last one
}

static void a_zero_size_last_field_takes_a_byte_unless_all_is_empty(void)
{
    struct layout_type result, empty;
    uint64_t at[2];
    CHECK(layout_struct(NULL, 0, NULL, &empty) == LAYOUT_OK && is(empty, 0, 1, 0));
    struct layout_type last[] = {basic(LAYOUT_INT32), empty};
    CHECK(layout_struct(last, 2, at, &result) == LAYOUT_OK && at[1] == 4 && is(result, 8, 4, 0));
    struct layout_type first[] = {empty, basic(LAYOUT_INT32)};
    CHECK(layout_struct(first, 2, at, &result) == LAYOUT_OK && at[1] == 0 && is(result, 4, 4, 0));
    struct layout_type none[] = {empty, empty};
    CHECK(layout_struct(none, 2, at, &result) == LAYOUT_OK && is(result, 0, 1, 0));
    struct layout_type no_words;
    CHECK(layout_array(basic(LAYOUT_POINTER), 0, &no_words) == LAYOUT_OK && is(no_words, 0, 8, 0));
    CHECK(layout_struct(&no_words, 1, at, &result) == LAYOUT_OK && is(result, 0, 8, 0));
}

static void arrays_multiply_and_scan_up_to_the_last_pointer(void)
{
    struct layout_type result;
    CHECK(layout_array(basic(LAYOUT_SLICE), 3, &result) == LAYOUT_OK && is(result, 72, 8, 56));
    CHECK(layout_array(basic(LAYOUT_UINT8), 3, &result) == LAYOUT_OK && is(result, 3, 1, 0));
    struct layout_type empty = {0, 1, 0};
    CHECK(layout_array(empty, UINT64_MAX, &result) == LAYOUT_OK && is(result, 0, 1, 0));
}

static void sizes_never_wrap(void)
{
    struct layout_type half, most, result;
    uint64_t at[3];
    CHECK(layout_array(basic(LAYOUT_UINT8), LAYOUT_MAX_BYTES, &most) == LAYOUT_OK &&
          most.bytes == LAYOUT_MAX_BYTES);
    CHECK(layout_array(basic(LAYOUT_UINT8), LAYOUT_MAX_BYTES + 1, &result) == LAYOUT_TOO_LARGE);
    CHECK(layout_array(basic(LAYOUT_UINT64), (1ull << 61) + 1, &result) == LAYOUT_TOO_LARGE);
    CHECK(layout_array(basic(LAYOUT_STRING), UINT64_MAX, &result) == LAYOUT_TOO_LARGE);
    CHECK(layout_struct(&most, 1, at, &result) == LAYOUT_OK && result.bytes == LAYOUT_MAX_BYTES);

    struct layout_type over[] = {most, basic(LAYOUT_BOOL)};
    CHECK(layout_struct(over, 2, at, &result) == LAYOUT_TOO_LARGE);
    struct layout_type empty = {0, 1, 0},
                       padded[] = {most, empty}; // the added byte is one too many
    CHECK(layout_struct(padded, 2, at, &result) == LAYOUT_TOO_LARGE);
    CHECK(layout_array(basic(LAYOUT_UINT8), LAYOUT_MAX_BYTES - 9, &half) == LAYOUT_OK);
    struct layout_type filled[] = {half,
                                   basic(LAYOUT_UINT64)}; // one byte of padding, then exactly full
    CHECK(layout_struct(filled, 2, at, &result) == LAYOUT_OK && at[1] == LAYOUT_MAX_BYTES - 8 &&
          result.bytes == LAYOUT_MAX_BYTES);
    struct layout_type too_much[] = {half, basic(LAYOUT_UINT64), basic(LAYOUT_BOOL)};
    CHECK(layout_struct(too_much, 3, at, &result) == LAYOUT_TOO_LARGE);
}

static void parts_that_contradict_themselves_are_refused(void)
{
    struct layout_type bad[] = {
        {8, 0, 0},                    // no alignment
        {12, 3, 0},                   // not a power of two
        {8192, 8192, 0},              // too much of it
        {12, 8, 0},                   // not a multiple of it
        {8, 8, 16},                   // pointers outside
        {16, 8, 4},                   // half a pointer
        {16, 4, 8},                   // a pointer that may lie askew
        {LAYOUT_MAX_BYTES + 8, 8, 0}, // too large
        {UINT64_MAX - 7, 8, 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct layout_type result, pair[] = {layout_basic(LAYOUT_INT), bad[i]};
        uint64_t at[2];
        CHECK(!layout_is_valid(bad[i]));
        CHECK(layout_struct(pair, 2, at, &result) == LAYOUT_BAD_PART);
        CHECK(layout_array(bad[i], 1, &result) == LAYOUT_BAD_PART);
    }
}

static void masks_cross_word_borders_and_stay_inside(void)
{
    // One guard word behind each vector: a mask that ends at a border must not touch it.
    uint64_t dst[3] = {0, 0, 0},
             src = 0xd; // 1011 from the low end, one bit above what is asked for
    layout_mask_place(dst, 62, &src, 3);
    CHECK(dst[0] == 1ull << 62 && dst[1] == 1 && dst[2] == 0);

    uint64_t exact[2] = {0, 0}, one = 1;
    layout_mask_place(exact, 63, &one, 1);
    CHECK(exact[0] == 1ull << 63 && exact[1] == 0);

    uint64_t wide[4] = {0, 0, 0, 0}, all[2] = {~0ull, ~0ull};
    layout_mask_place(wide, 1, all, 128);
    CHECK(wide[0] == ~0ull << 1 && wide[1] == ~0ull && wide[2] == 1 && wide[3] == 0);

    // [30]struct{ p *T; n, m int }: a pointer in every third word, 88 words up to the last one.
    struct layout_type elem = {24, 8, 8}, array;
    CHECK(layout_array(elem, 30, &array) == LAYOUT_OK && array.ptr_bytes == 88 * 8 &&
          layout_mask_words(array) == 2);
    uint64_t tiled[3] = {0, 0, 0};
    layout_mask_tile(tiled, 0, &one, elem, 30);
    for (unsigned i = 0; i < 128; i++)
        CHECK(bits_test(tiled, i) == (i < 88 && i % 3 == 0));
    CHECK(tiled[2] == 0);
    uint64_t untouched = 0;
    layout_mask_tile(&untouched, 0, NULL, layout_basic(LAYOUT_UINT8), 1000);
    CHECK(untouched == 0);
}

static void the_best_order_follows_the_five_rules(void)
{
    struct layout_type empty = {0, 1, 0};
    struct layout_type f[] = {
        basic(LAYOUT_BOOL),      // 0: last, alignment 1
        basic(LAYOUT_INT64),     // 1: no pointers
        basic(LAYOUT_SLICE),     // 2: 16 bytes behind the pointer
        basic(LAYOUT_POINTER),   // 3: none behind; before 4 only by size
        basic(LAYOUT_INTERFACE), // 4: none behind, larger than 3
        empty,                   // 5: first
        basic(LAYOUT_INT64),     // 6: ties with 1
        basic(LAYOUT_UINT16),    // 7
    };
    uint32_t order[8], expected[] = {5, 4, 3, 2, 1, 6, 7, 0};
    layout_best_order(f, 8, order);
    CHECK(memcmp(order, expected, sizeof(order)) == 0);
    layout_best_order(f, 0, order);
    CHECK(order[0] == 5);

    // Many equal fields: ties keep their order whatever the sort does.
    struct layout_type many[1000];
    uint32_t long_order[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = basic(i % 3 == 0 ? LAYOUT_UINT8 : LAYOUT_POINTER);
    layout_best_order(many, 1000, long_order);
    for (int i = 1; i < 1000; i++)
        CHECK(i == 666 ? long_order[i] == 0 : long_order[i] > long_order[i - 1]);
}

int main(void)
{
    every_basic_kind_is_valid_and_its_mask_ends_with_its_pointers();
    padding_goes_where_alignment_asks();
    a_zero_size_last_field_takes_a_byte_unless_all_is_empty();
    arrays_multiply_and_scan_up_to_the_last_pointer();
    sizes_never_wrap();
    parts_that_contradict_themselves_are_refused();
    masks_cross_word_borders_and_stay_inside();
    the_best_order_follows_the_five_rules();
    if (failures == 0)
        printf("layout: all checks passed\n");
    return failures != 0;
}
