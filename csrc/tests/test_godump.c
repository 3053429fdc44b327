// The dump reader on dumps made by hand: what recordings do not hold (rare root kinds, old Go
// versions, other machines, every way to be malformed) and the failure of each allocation.
#include "base/core.h"
#include "failing_realloc.h"

#define GODUMP_REALLOC failing_realloc
#include "lib/godump.h"

#include "lib/godump.c"

static int failures;
#define CHECK(cond)                                                                                \
    ((cond) ? (void)0 : (failures++, (void)printf("%s:%d: %s\n", __func__, __LINE__, #cond)))

// ---- A dump under construction ----

struct maker {
    uint8_t bytes[1 << 18];
    size_t size;
};

static const uint64_t BASE = 0xc000000000, HEAP_END = 0xc004000000;

static void put_bytes(struct maker *m, const void *bytes, size_t n)
{
    INVARIANT(m->size + n <= sizeof m->bytes);
    if (n > 0)
        memcpy(m->bytes + m->size, bytes, n);
    m->size += n;
}

static void put(struct maker *m, uint64_t v)
{
    do {
        uint8_t b = (v & 0x7f) | (v >= 0x80 ? 0x80 : 0);
        put_bytes(m, &b, 1);
        v >>= 7;
    } while (v != 0);
}

static void put_text(struct maker *m, const char *s)
{
    put(m, strlen(s));
    put_bytes(m, s, strlen(s));
}

static void put_start(struct maker *m, const char *arch, const char *version,
                      unsigned pointer_bytes, bool is_big_endian)
{
    m->size = 0;
    put_bytes(m, "go1.7 heap dump\n", 16);
    put(m, 6);
    put(m, is_big_endian);
    put(m, pointer_bytes);
    put(m, BASE);
    put(m, HEAP_END);
    put_text(m, arch);
    put_text(m, version);
    put(m, 2);
}

static void put_go(struct maker *m, const char *version)
{
    put_start(m, "amd64", version, 8, false);
}

// Words as contents; those with a bit in `slots` are pointer slots.
static void put_content(struct maker *m, const uint64_t *words, unsigned count, uint64_t slots)
{
    put(m, 8 * count);
    put_bytes(m, words, 8 * count);
    for (unsigned i = 0; i < count; i++)
        if (i < 64 && slots >> i & 1) {
            put(m, 1);
            put(m, 8 * i);
        }
}

static void put_object(struct maker *m, uint64_t addr, const uint64_t *words, unsigned count,
                       uint64_t slots)
{
    put(m, 1);
    put(m, addr);
    put_content(m, words, count, slots);
    put(m, 0);
}

// An object of `count` words, all zero.
static void put_blank(struct maker *m, uint64_t addr, unsigned count, uint64_t slots)
{
    static const uint64_t zero[1024];
    put_object(m, addr, zero, count, slots);
}

static void put_goroutine(struct maker *m, uint64_t addr, uint64_t id, uint64_t context)
{
    uint64_t v[8] = {addr, 0, id, 0, 4, 0, 0, 0};
    put(m, 4);
    for (int i = 0; i < 8; i++)
        put(m, v[i]);
    put_text(m, "select");
    put(m, context);
    put(m, 0);
    put(m, 0);
    put(m, 0);
}

static void put_frame(struct maker *m, const char *name, const uint64_t *words, unsigned count,
                      uint64_t slots)
{
    put(m, 5);
    put(m, 0);
    put(m, 0);
    put(m, 0);
    put(m, 8 * count);
    put_bytes(m, words, 8 * count);
    put(m, 0);
    put(m, 0);
    put(m, 0);
    put_text(m, name);
    for (unsigned i = 0; i < 64; i++)
        if (slots >> i & 1) {
            put(m, 1);
            put(m, 8 * i);
        }
    put(m, 0);
}

static void put_numbers(struct maker *m, unsigned count, const uint64_t *v)
{
    for (unsigned i = 0; i < count; i++)
        put(m, v[i]);
}
#define PUT(m, ...)                                                                                \
    put_numbers(m, sizeof (uint64_t[]){__VA_ARGS__} / 8, (const uint64_t[]){__VA_ARGS__})

static void put_memstats(struct maker *m, uint64_t objects, uint64_t bytes)
{
    put(m, 10);
    for (int i = 0; i < 24 + 256 + 1; i++)
        put(m, i == GODUMP_HEAP_OBJECTS ? objects : i == GODUMP_HEAP_ALLOC ? bytes : 1000u + i);
}

static struct godump_result result;
static struct godump_error error;

static enum godump_code parse(struct maker *m)
{
    // a copy of the exact size lets the address sanitizer see a read behind the end
    uint8_t *copy = malloc(m->size > 0 ? m->size : 1);
    memcpy(copy, m->bytes, m->size);
    godump_free(&result);
    enum godump_code code = godump_parse(copy, m->size, NULL, NULL, &result, &error);
    free(copy);
    return code;
}

static enum godump_code parse_ended(struct maker *m)
{
    put(m, 0);
    return parse(m);
}

static bool has_root(unsigned kind, int32_t g, uint32_t off, int32_t dst, uint32_t dst_off)
{
    for (uint64_t i = 0; i < result.roots; i++)
        if (result.root_kind[i] == kind && result.root_g[i] == g && result.root_off[i] == off &&
            result.root_dst[i] == dst && result.root_dst_off[i] == dst_off)
            return true;
    return false;
}

static struct maker m;

// ---- Graph ----

static void test_graph(void)
{
    put_go(&m, "go1.26.8");
    // out of address order; a list 0 -> 1 -> inside 2; a non-pointer word is no edge; nil neither
    put_object(&m, BASE + 0x4000, (uint64_t[]){0, BASE + 0x2000, 0, 0}, 4, 0);
    put_object(&m, BASE + 0x2000, (uint64_t[]){BASE + 0x4018, 7, 0, 0}, 4, 5);
    put_object(&m, BASE, (uint64_t[]){0, BASE + 0x2000}, 2, 2);
    put_object(&m, BASE + 0x6000, (uint64_t[]){BASE + 0x6008}, 1, 1); // points behind itself
    put(&m, 13);
    put(&m, 0x500000);
    put_content(&m, (uint64_t[]){BASE, 0, BASE + 8, BASE + 0x7000}, 4, 13);
    put(&m, 0);
    CHECK(parse_ended(&m) == GODUMP_OK);
    CHECK(result.objects == 4 && result.edges == 2 && result.slots == 4 && result.phantoms == 0);
    CHECK(result.obj_addr[1] == 0x2000 && result.obj_size[1] == 32 && result.obj_nslots[1] == 2);
    CHECK(result.obj_ptrend[1] == 24 && !result.obj_noscan[1] && result.obj_noscan[2]);
    CHECK(result.slot_start[1] == 1 && result.slot_off[1] == 0 && result.slot_off[2] == 16);
    CHECK(result.edge_off[0] == 8 && result.edge_dst[0] == 1 && result.edge_dst_off[0] == 0);
    CHECK(result.edge_off[1] == 0 && result.edge_dst[1] == 2 && result.edge_dst_off[1] == 24);
    CHECK(result.edge_count[0] == 1 && result.edge_count[3] == 0 && result.edge_start[4] == 2);
    CHECK(result.roots == 2 && has_root(GODUMP_ROOT_BSS, -1, 0, 0, 0));
    CHECK(has_root(GODUMP_ROOT_BSS, -1, 16, 0, 8));
    CHECK(result.obj_reach[0] && result.obj_reach[1] && result.obj_reach[2] &&
          !result.obj_reach[3]);
    CHECK(result.base == BASE && result.heap_end == HEAP_END && result.cpus == 2);

    uint8_t reach[4], use[2] = {0, 0};
    uint32_t queue[4];
    CHECK(godump_reach(4, result.edge_start, result.edge_dst, result.roots, result.root_kind,
                       result.root_dst, use, reach, queue) == 0);
    use[1] = 1;
    CHECK(godump_reach(4, result.edge_start, result.edge_dst, result.roots, result.root_kind,
                       result.root_dst, use, reach, queue) == 3);
}

// Objects in an order with long cycles, each pointing to the next one by address.
static void test_order(void)
{
    put_go(&m, "go1.26.8");
    const uint64_t n = 101;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = i * 37 % n + 1; // page of the object; page 0 has none
        put_object(&m, BASE + k * 8192, (uint64_t[]){BASE + (k == n ? 0 : k + 1) * 8192, k}, 2, 1);
    }
    CHECK(parse_ended(&m) == GODUMP_OK && result.objects == n && result.edges == n - 1);
    for (uint64_t i = 0; i + 1 < n; i++)
        CHECK(result.obj_addr[i] == (i + 1) * 8192 && result.edge_dst[i] == (int32_t)i + 1);
}

static void test_empty_heap(void)
{
    put_go(&m, "go1.26");
    CHECK(parse_ended(&m) == GODUMP_OK && result.objects == 0 && result.roots == 0);
}

// ---- Root kinds ----

// Six unconnected objects at BASE + i * 0x2000.
static void put_six(void)
{
    put_go(&m, "go1.26.8");
    for (uint64_t i = 0; i < 6; i++)
        put_blank(&m, BASE + i * 0x2000, 8, 1);
}

static bool reached(const char *expected)
{
    for (uint64_t i = 0; i < result.objects; i++)
        if (result.obj_reach[i] != (expected[i] == '1'))
            return false;
    return result.objects == strlen(expected);
}

static void test_goroutine_roots(void)
{
    put_six();
    put_goroutine(&m, 0xc0ffee00, 7, BASE + 0x2008);
    put_frame(&m, "main.f", (uint64_t[]){0, BASE + 8}, 2, 2);
    put_frame(&m, "main.main", NULL, 0, 0);
    put_goroutine(&m, 0xc0ffee80, 9, 0);
    put_frame(&m, "main.f", (uint64_t[]){1, 2}, 2, 3);
    PUT(&m, 14, BASE + 0x4000, 0xc0ffee80, 0, 0, BASE + 0x6000, 0x401000, 0);
    PUT(&m, 15, 0x7fff0000, 0xc0ffee80, 0x480000, BASE + 0x8000, 0, 0);
    CHECK(parse_ended(&m) == GODUMP_OK);
    CHECK(result.roots == 5 && has_root(GODUMP_ROOT_GOROUTINE, 0, 0, 1, 8));
    CHECK(has_root(GODUMP_ROOT_STACK, 0, 8, 0, 8) && has_root(GODUMP_ROOT_GOROUTINE, 1, 0, 2, 0));
    CHECK(has_root(GODUMP_ROOT_GOROUTINE, 1, 0, 3, 0) &&
          has_root(GODUMP_ROOT_GOROUTINE, 1, 0, 4, 0));
    CHECK(reached("111110"));
    CHECK(result.goroutines == 2 && result.goroutine[0].id == 7 && result.goroutine[1].id == 9);
    CHECK(result.goroutine[0].frames == 2 && result.goroutine[1].frames == 1);
    CHECK(result.frames == 3 && result.names == 2 && result.frame_name[0] == result.frame_name[2]);
    CHECK(memcmp(m.bytes + result.name[1].offset, "main.main", result.name[1].length) == 0);
    CHECK(result.root_kind[0] == GODUMP_ROOT_STACK && result.root_frame[0] == 0);

    put_six();
    put_goroutine(&m, 0xc0ffee00, 7, 0);
    PUT(&m, 14, BASE + 0x4000, 0xc0ffee80, 0, 0, 0, 0, 0);
    CHECK(parse_ended(&m) == GODUMP_MALFORMED); // of another goroutine
    put_six();
    put_frame(&m, "main.f", NULL, 0, 0);
    CHECK(parse_ended(&m) == GODUMP_MALFORMED); // of none
}

static void test_frame_slots_outside(void)
{
    put_six();
    put_goroutine(&m, 0xc0ffee00, 7, 0);
    put_frame(&m, "main.f", (uint64_t[]){0, BASE}, 2, 6); // the third of two words
    CHECK(parse_ended(&m) == GODUMP_OK && result.roots == 1 && has_root(3, 0, 8, 0, 0));
    put_six();
    put_goroutine(&m, 0xc0ffee00, 7, 0);
    put_frame(&m, "main.f", (uint64_t[]){0, BASE}, 2, (1ull << 40) - 1);
    CHECK(parse_ended(&m) == GODUMP_MALFORMED);
}

static void test_finalizers(void)
{
    put_go(&m, "go1.26.8");
    put_object(&m, BASE, (uint64_t[]){BASE + 0x2000, 0}, 2, 1); // has a finalizer
    put_blank(&m, BASE + 0x2000, 2, 1);
    put_blank(&m, BASE + 0x4000, 2, 1);                                  // the function
    put_object(&m, BASE + 0x6000, (uint64_t[]){BASE + 0x8000, 0}, 2, 1); // is queued
    put_blank(&m, BASE + 0x8000, 2, 1);
    put_blank(&m, BASE + 0xa000, 2, 1);
    PUT(&m, 7, BASE + 8, BASE + 0x4000, 0x401000, 0, 0);
    PUT(&m, 7, BASE + 0xc000, 0x401000, 0x401000, 0,
        0); // object not alive, function not in the heap
    PUT(&m, 11, BASE + 0x6000, 0x402000, 0x402000, 0, BASE + 0xa000);
    CHECK(parse_ended(&m) == GODUMP_OK);
    CHECK(reached("011111")); // not object 0 itself
    CHECK(result.roots == 4 && has_root(GODUMP_ROOT_FINALIZER_FN, -1, 0, 2, 0));
    CHECK(has_root(GODUMP_ROOT_FINALIZER_OBJ, -1, 0, 0, 8));
    CHECK(has_root(GODUMP_ROOT_QUEUED_FINALIZER, -1, 8, 3, 0));
    CHECK(has_root(GODUMP_ROOT_QUEUED_FINALIZER, -1, 32, 5, 0));
    CHECK(result.finalizers == 2 && result.finalizer[0].object == 0 && result.finalizer[0].fn == 2);
    CHECK(result.finalizer[0].object_off == 8);
    CHECK(result.finalizer[1].object == -1 && result.finalizer[1].fn == -1);
}

static void test_other_roots(void)
{
    put_six();
    put(&m, 2);
    put_text(&m, "runtime sched link");
    put(&m, BASE + 0x6000);
    put(&m, 12);
    put(&m, 0x400000);
    put_content(&m, (uint64_t[]){BASE + 0xa000, BASE}, 2, 2);
    put(&m, 0);
    CHECK(parse_ended(&m) == GODUMP_OK && reached("100100"));
    CHECK(result.roots == 2 && has_root(GODUMP_ROOT_OTHER, -1, 0, 3, 0));
    CHECK(has_root(GODUMP_ROOT_DATA, -1, 8, 0, 0) && result.root_frame[1] == 0);
    CHECK(memcmp(m.bytes + result.name[0].offset, "runtime sched link", 18) == 0);
}

// ---- Phantoms ----

// One page of slots: one real object at index 0, and all slots from `from` on, as Go dumps them.
static uint64_t put_page(uint64_t page, unsigned size, bool has_pointers, unsigned from)
{
    uint64_t objects = 1;
    put_blank(&m, BASE + page * 8192, size / 8, has_pointers);
    for (unsigned i = from; i < 8192 / size; i++, objects++)
        put_blank(&m, BASE + page * 8192 + i * size, size / 8, 0);
    return objects;
}

// How many of the last slots of a page are dropped: sizes 8, 16, 24, 512, 576, each noscan and
// scan.
static void check_phantoms(const char *version, const unsigned (*drops)[2])
{
    static const unsigned sizes[] = {8, 16, 24, 512, 576};
    for (unsigned s = 0; s < 5; s++)
        for (int scan = 0; scan < 2; scan++) {
            unsigned slots = 8192 / sizes[s];
            put_go(&m, version);
            uint64_t all = put_page(0, sizes[s], scan, slots > 40 ? slots - 40 : 1);
            CHECK(parse_ended(&m) == GODUMP_OK && !result.spans_from_memstats);
            bool is_right =
                result.phantoms == drops[s][scan] && result.objects == all - drops[s][scan];
            CHECK(is_right);
            if (!is_right)
                printf("  %s: slots of %u, scan %d: %llu dropped\n", version, sizes[s], scan,
                       (unsigned long long)result.phantoms);
        }
}

static void test_phantoms_by_version(void)
{
    static const unsigned plain[5][2] = {0};
    static const unsigned bitmap[5][2] = {{0, 16}, {0, 8}, {0, 5}, {0, 1}, {0, 0}};
    static const unsigned marks[5][2] = {{0, 16}, {8, 16}, {5, 11}, {1, 1}, {0, 0}};
    check_phantoms("go1.7", plain);
    check_phantoms("go1.21.13", plain);
    check_phantoms("go1.22.1-X:noallocheaders", plain);
    check_phantoms("go1.22", bitmap);
    check_phantoms("go1.24.4", bitmap);
    check_phantoms("go1.25.3", bitmap);
    check_phantoms("go1.25.3 X:nodwarf5", bitmap);
    check_phantoms("go1.26.8-X:nogreenteagc", bitmap);
    check_phantoms("go1.26.8-custom X:aliastypeparams,nogreenteagc", bitmap);
    check_phantoms("go1.25.3 X:greenteagc", marks);
    check_phantoms("go1.25.3 X:jsonv2,greenteagc", marks);
    check_phantoms("go1.26", marks);
    check_phantoms("go1.26.8", marks);
    check_phantoms("go1.26.8-X:nogreenteagcx", marks); // another word
    check_phantoms("devel go1.27-abcdef012345 Tue Jan 6", marks);
}

static void test_phantoms_by_memstats(void)
{
    // 40 slots of 16 bytes with pointers at the end of a page: 16 phantoms with marks, 8 without
    put_go(&m, "unknown");
    uint64_t all = put_page(0, 16, true, 512 - 40);
    put_memstats(&m, all - 8, 16 * (all - 8));
    CHECK(parse_ended(&m) == GODUMP_OK && result.phantoms == 8);
    CHECK(result.spans == GODUMP_SPANS_BITMAP && result.spans_from_memstats);
    CHECK(result.memstats[0] == 1000 && result.memstats[GODUMP_MEMSTATS - 1] == 1280);

    // the version agrees: nothing to decide
    put_go(&m, "go1.24");
    put_page(0, 16, true, 512 - 40);
    put_memstats(&m, all - 8, 16 * (all - 8));
    CHECK(parse_ended(&m) == GODUMP_OK && result.phantoms == 8 && !result.spans_from_memstats);

    // the version says otherwise, the counts agree to the object and the byte
    put_go(&m, "go1.26.8");
    put_page(0, 16, true, 512 - 40);
    put_memstats(&m, all - 8, 16 * (all - 8));
    CHECK(parse_ended(&m) == GODUMP_OK && result.phantoms == 8 && result.spans_from_memstats);

    // counts that agree with nothing (no collection before the dump): the version decides
    put_go(&m, "go1.26.8");
    put_page(0, 16, true, 512 - 40);
    put_memstats(&m, all - 8, 16 * (all - 9));
    CHECK(parse_ended(&m) == GODUMP_OK && result.phantoms == 16 && !result.spans_from_memstats);

    put_go(&m, "unknown");
    put_page(0, 16, true, 512 - 40);
    CHECK(parse_ended(&m) == GODUMP_UNSUPPORTED && strstr(error.message, "unknown"));
}

static void test_pointers_to_phantoms(void)
{
    put_go(&m, "go1.26.8");
    put_object(&m, BASE, (uint64_t[]){BASE + 504 * 16, BASE + 495 * 16}, 2, 3);
    for (uint64_t i = 495; i < 512; i++)
        put_blank(&m, BASE + i * 16, 2, 0);
    CHECK(parse_ended(&m) == GODUMP_OK && result.objects == 2 && result.edges == 1);
    CHECK(result.edge_off[0] == 8 && result.edge_dst[0] == 1);
}

// ---- What is refused ----

static void test_other_machines(void)
{
    put_start(&m, "amd64", "go1.26.8", 8, true);
    CHECK(parse_ended(&m) == GODUMP_UNSUPPORTED && strstr(error.message, "big-endian"));
    put_start(&m, "amd64", "go1.12", 4, false);
    CHECK(parse_ended(&m) == GODUMP_UNSUPPORTED && strstr(error.message, "of 4 bytes"));
    put_start(&m, "386", "go1.26.8", 4, false);
    CHECK(parse_ended(&m) == GODUMP_UNSUPPORTED && strstr(error.message, "386"));
    put_start(&m, "riscv64", "go1.26.8", 8, false);
    CHECK(parse_ended(&m) == GODUMP_UNSUPPORTED && strstr(error.message, "riscv64"));
    put_start(&m, "arm64", "go1.26.8", 8, false);
    CHECK(parse_ended(&m) == GODUMP_OK);
}

// Begin a dump, let the caller add to it, expect the message at the offset where it was added.
#define REFUSED(text, at, ...)                                                                     \
    do {                                                                                           \
        put_go(&m, "go1.26.8");                                                                    \
        size_t start = m.size;                                                                     \
        __VA_ARGS__;                                                                               \
        CHECK(parse_ended(&m) == GODUMP_MALFORMED && strstr(error.message, text) != NULL);         \
        CHECK(error.offset == start + (at));                                                       \
        if (strstr(error.message, text) == NULL || error.offset != start + (at))                   \
            printf("  %s (at %ld)\n", error.message, (long)(error.offset - start));                \
        CHECK(result.objects == 0 && result.obj_addr == NULL);                                     \
    } while (0)

static void test_malformed(void)
{
    static const uint8_t endless[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    static const uint8_t too_long[] = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02";
    REFUSED("64 bits", 1, put(&m, 1), put_bytes(&m, endless, 11));
    REFUSED("64 bits", 1, put(&m, 1), put_bytes(&m, too_long, 10));
    REFUSED("tag 18", 0, put(&m, 18));
    REFUSED("second record of parameters", 1, put(&m, 6));
    REFUSED("end record", 1, put(&m, 0), put(&m, 0));
    REFUSED("only 1 are left", 7, PUT(&m, 1, BASE, 1ull << 40));
    REFUSED("whole words", 1, PUT(&m, 1, BASE, 0, 0));
    REFUSED("whole words", 1, PUT(&m, 1, BASE + 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    REFUSED("whole words", 1, PUT(&m, 1, BASE, 7, 0, 0, 0, 0, 0, 0, 0, 0));
    REFUSED("outside the heap", 1, put_blank(&m, BASE - 8, 1, 0));
    REFUSED("outside the heap", 1, put_blank(&m, HEAP_END - 8, 2, 0));
    REFUSED("outside the heap", 1, put_blank(&m, HEAP_END, 1, 0));
    REFUSED("outside the heap", 1, put_blank(&m, ~7ull, 1, 0));
    REFUSED("field 2", 16, put_blank(&m, BASE, 1, 0), m.size--, put(&m, 2));
    REFUSED("slot at offset 4", 16, put_blank(&m, BASE, 1, 0), m.size--, PUT(&m, 1, 4, 0));
    REFUSED("slot at offset 8", 16, put_blank(&m, BASE, 1, 0), m.size--, PUT(&m, 1, 8, 0));
    REFUSED("slot at offset 0", 18, put_blank(&m, BASE, 1, 1), m.size--, PUT(&m, 1, 0, 0));
    REFUSED("second object", 25, put_blank(&m, BASE, 1, 0), put_blank(&m, BASE, 1, 0));
    REFUSED("overlaps", 594, put_blank(&m, BASE, 72, 0), put_blank(&m, BASE + 512, 1, 0));
    REFUSED("slot of 16", 8, put_blank(&m, BASE + 8, 2, 0));
    REFUSED("slot of 48", 8, put_blank(&m, BASE + 170 * 48, 6, 0));
    REFUSED("share the page", 25, put_blank(&m, BASE, 1, 0), put_blank(&m, BASE + 32, 2, 0));
    REFUSED("slot at offset 8 of a segment", 14,
            PUT(&m, 12, 0x400000, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 8));
}

static void test_not_a_dump(void)
{
    m.size = 0;
    CHECK(parse(&m) == GODUMP_MALFORMED && error.offset == 0);
    put_bytes(&m, "go1.7 heap dump", 15);
    CHECK(parse(&m) == GODUMP_MALFORMED);
    put_bytes(&m, "\n", 1);
    CHECK(parse(&m) == GODUMP_MALFORMED && error.offset == 16); // no parameters
    put_blank(&m, BASE, 1, 0);
    CHECK(parse(&m) == GODUMP_MALFORMED && strstr(error.message, "parameters") != NULL);
}

// Something of every record.
static void put_everything(void)
{
    put_six();
    put_page(6, 16, true, 512 - 40);
    put(&m, 3);
    put(&m, 0x480000);
    put(&m, 16);
    put_text(&m, "main.T");
    put(&m, 1);
    PUT(&m, 8, 0x490000, 0x480000);
    put_goroutine(&m, 0xc0ffee00, 7, BASE + 0x2008);
    for (int i = 0; i < 200; i++) { // enough names to grow the table
        char name[32];
        snprintf(name, sizeof name, "main.f%d", i);
        put_frame(&m, name, (uint64_t[]){0, BASE + 8}, 2, 2);
    }
    PUT(&m, 14, BASE + 0x4000, 0xc0ffee00, 0, 0, BASE + 0x6000, 0x401000, 0);
    PUT(&m, 15, 0x7fff0000, 0xc0ffee00, 0x480000, BASE + 0x8000, 0, 0);
    PUT(&m, 9, 0x7000, 0, 77);
    put(&m, 2);
    put_text(&m, "other");
    put(&m, BASE);
    put(&m, 12);
    put(&m, 0x400000);
    put_content(&m, (uint64_t[]){BASE + 0xa000, BASE}, 2, 2);
    put(&m, 0);
    PUT(&m, 7, BASE + 8, BASE + 0x4000, 0x401000, 0, 0);
    PUT(&m, 11, BASE + 0x6000, 0x402000, 0x402000, 0, BASE + 0xa000);
    put_memstats(&m, 6, 6 * 64);
    PUT(&m, 16, 0x7100, 64, 1);
    put_text(&m, "main.f");
    put_text(&m, "main.go");
    PUT(&m, 12, 3, 2);
    PUT(&m, 17, BASE, 0x7100);
    put(&m, 0);
}

static void test_every_truncation(void)
{
    put_everything();
    size_t full = m.size;
    CHECK(parse(&m) == GODUMP_OK && result.names == 201 && result.frames == 200);
    for (m.size = 0; m.size < full; m.size++)
        if (parse(&m) != GODUMP_MALFORMED || error.offset > m.size || error.message[0] == 0) {
            CHECK(!"a truncated dump is refused");
            break;
        }
}

static void test_every_allocation_failure(void)
{
    put_everything();
    long fails = 0;
    for (;; fails++) {
        allocations_left = fails;
        enum godump_code code = parse(&m);
        allocations_left = -1;
        if (code == GODUMP_OK)
            break;
        CHECK(code == GODUMP_NO_MEMORY && result.objects == 0 && result.obj_addr == NULL);
    }
    CHECK(fails > 30);
}

static int stop_later(void *arg)
{
    int *left = arg;
    return --*left < 0;
}

static void test_poll_stops(void)
{
    put_go(&m, "go1.26.8");
    for (int i = 0; i < 10000; i++)
        PUT(&m, 17, BASE, 1);
    put(&m, 0);
    int left = 1;
    godump_free(&result);
    CHECK(godump_parse(m.bytes, m.size, stop_later, &left, &result, &error) == GODUMP_STOPPED);
    CHECK(left == -1 && result.objects == 0);
    left = 100;
    CHECK(godump_parse(m.bytes, m.size, stop_later, &left, &result, &error) == GODUMP_OK);
    CHECK(left == 98);
}

int main(void)
{
    test_graph();
    test_order();
    test_empty_heap();
    test_goroutine_roots();
    test_frame_slots_outside();
    test_finalizers();
    test_other_roots();
    test_phantoms_by_version();
    test_phantoms_by_memstats();
    test_pointers_to_phantoms();
    test_other_machines();
    test_malformed();
    test_not_a_dump();
    test_every_truncation();
    test_every_allocation_failure();
    test_poll_stops();
    godump_free(&result);
    printf("test_godump: %s\n", failures == 0 ? "ok" : "FAILED");
    return failures != 0;
}
