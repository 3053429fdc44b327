// Slices that grow by append, and strings.Builder: ns for an element, or a byte, growth and collections included. The same in tests/bench/go/data.go.
//
//   data ROUNDS     elements that each figure is measured over, in millions
//
// What is built stays reachable until the next one takes its place, as a variable of a Go program that escapes.
#include "bench.h"

#include "alloc/sizeclass.c"

#include "lib/builder.c"
#include "lib/slice.c"
#include "lib/string.c"

static struct bench b;
static void **slots; // a frame: what is being built, the builder
static const gcsim_type *type_int, *type_ptr, *type_byte, *type_node;
static uint64_t total; // so that the work is the same, and done

static const gcsim_type *word_type(const char *name, bool is_pointer)
{
    static const uint64_t mask = 1;
    return bench_type(&b, name, 1, &mask, is_pointer);
}

// The next element of *s; its array is rooted while it grows.
static inline void *push(const gcsim_type *elem, struct slice *s)
{
    bool grows = s->len == s->cap;
    void *at = slice_push(b.m, elem, 8, s);
    if (grows) {
        sure(at);
        slots[0] = s->ptr;
    }
    return at;
}

static void append_ints(uint64_t n)
{
    struct slice s = {NULL, 0, 0};
    for (uint64_t i = 0; i < n; i++)
        *(uint64_t *)push(type_int, &s) = i;
    total += ((uint64_t *)s.ptr)[n / 2];
}

static void append_pointers(uint64_t n)
{
    struct slice s = {NULL, 0, 0};
    void *node = slots[1];
    for (uint64_t i = 0; i < n; i++)
        gcsim_store(b.m, push(type_ptr, &s), node);
    total += (uint64_t)s.len + (((void **)s.ptr)[n / 2] == node);
}

static void build_bytes(uint64_t n)
{
    struct builder *builder = slots[2];
    builder_reset(b.m, builder);
    for (uint64_t i = 0; i < n; i++)
        if (builder_write_byte(b.m, type_byte, builder, (unsigned char)i) != GCSIM_OK)
            die("builder_write_byte");
    struct string s = builder_string(builder);
    total += (uint64_t)s.len + (unsigned char)s.ptr[n / 2];
}

static void build_strings(uint64_t n) // of 10 bytes
{
    struct builder *builder = slots[2];
    builder_reset(b.m, builder);
    for (uint64_t i = 0; i < n; i += 10)
        if (builder_write(b.m, type_byte, builder, "0123456789", 10) != GCSIM_OK)
            die("builder_write");
    struct string s = builder_string(builder);
    total += (uint64_t)s.len + (unsigned char)s.ptr[n / 2];
}

static void measure(const char *name, void (*work)(uint64_t), uint64_t n, uint64_t all, bool last)
{
    work(n); // once unmeasured
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < all; i += n)
        work(n);
    printf("\"%s_%lu\": %.4f%s", name, n, (double)(now_ns() - start) / (double)all,
           last ? "" : ", ");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: data ROUNDS");
    uint64_t all = number(argv[1]) * 1000000;
    b = bench_open(0, 0, false);
    static const uint64_t builder_mask = BUILDER_MASK;
    type_int = word_type("int", false);
    type_ptr = word_type("pointer", true);
    type_node = word_type("node", false);
    gcsim_type_desc byte = {.name = "byte", .bytes = 1, .align = 1, .kind = GCSIM_KIND_UINT8};
    gcsim_status status;
    type_byte = sure((void *)b.api->type_new(b.heap, &byte, &status));
    slots = bench_frame(&b, 3);
    slots[1] = bench_new(b.m, type_node);
    slots[2] = bench_new(b.m, bench_type(&b, "builder", BUILDER_WORDS, &builder_mask, 2));
    static const struct {
        const char *name;
        void (*work)(uint64_t);
    } works[] = {{"int", append_ints},
                 {"ptr", append_pointers},
                 {"byte", build_bytes},
                 {"string", build_strings}};
    static const uint64_t lengths[] = {10, 1000, 1000000};
    printf("{");
    for (int w = 0; w < 4; w++)
        for (int i = 0; i < 3; i++)
            measure(works[w].name, works[w].work, lengths[i], all, false);
    printf("\"check\": %lu}\n", total);
    bench_close(&b);
    return 0;
}
