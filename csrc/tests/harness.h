// What the tests of the core share. A test is compiled once per instantiation: CORE_UNIT names core_fast.c or core_step.c, whose
// declarations are included here; a test that says `whole core` has all static functions in reach.
#pragma once

#include CORE_UNIT

#include <inttypes.h>
#include <stdarg.h>

typedef struct gcsim_mutator mut; // gcsim.h's calls want it everywhere

static int failures;

static void __attribute__((constructor)) print_line_by_line(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static bool check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool check(bool ok, const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    printf("%s  %s\n", ok ? "ok  " : "FAIL", what);
    failures += !ok;
    return ok;
}

// For loops: says something only when it fails.
#define EXPECT(cond)                                                                               \
    ((cond) ? true : (printf("FAIL  %s:%d: %s\n", __FILE__, __LINE__, #cond), failures++, false))

// --- random numbers: splitmix64
CORE_LOCAL uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
CORE_LOCAL uint64_t below(uint64_t *state, uint64_t n) { return next_random(state) % n; }

// --- heaps
#define API     (GCSIM_INSTANTIATION()())
#define H(heap) (&(heap)->mheap)

static const gcsim_options small_heap = {
    .bytes = sizeof(gcsim_options), .reserve_bytes = 64 << 20, .gc_percent = -1};

CORE_LOCAL mut *open_heap(gcsim_options options)
{
    gcsim_status status;
    gcsim_heap *heap = API->heap_create(&options, &status);
    if (!heap) {
        printf("FAIL  heap_create: %s\n", API->status_text(status));
        exit(1);
    }
    mut *m = API->mutator_attach(heap, &status);
    INVARIANT(m);
    gcsim_enter(m);
    return m;
}

CORE_LOCAL void close_heap(mut *m)
{
    gcsim_heap *heap = m->heap;
    gcsim_leave(m);
    API->mutator_detach(m);
    API->heap_destroy(heap);
}

// A type of so many words, of which those in the mask are pointers.
CORE_LOCAL const gcsim_type *make_type(gcsim_heap *heap, const char *name, uint64_t words,
                                       uint64_t mask)
{
    gcsim_type_desc desc = {.name = name,
                            .bytes = words * 8,
                            .ptr_bytes = mask ? (bits_highest(mask) + 1) * 8 : 0,
                            .mask = &mask,
                            .align = 8,
                            .kind = GCSIM_KIND_STRUCT};
    gcsim_status status;
    const gcsim_type *t = API->type_new(heap, &desc, &status);
    INVARIANT(t && status == GCSIM_OK);
    return t;
}

// Bytes without pointers.
CORE_LOCAL const gcsim_type *make_bytes(gcsim_heap *heap, const char *name, uint64_t bytes)
{
    gcsim_type_desc desc = {.name = name, .bytes = bytes, .align = 1, .kind = GCSIM_KIND_BYTES};
    gcsim_status status;
    const gcsim_type *t = API->type_new(heap, &desc, &status);
    INVARIANT(t && status == GCSIM_OK);
    return t;
}

CORE_LOCAL bool verifies(mut *m)
{
    gcsim_violation found[8];
    uint64_t n = API->verify(m, found, 8);
    for (uint64_t i = 0; i < n && i < 8; i++)
        printf("      rule %u: %s\n", found[i].invariant, found[i].message);
    if (n > 8)
        printf("      and %" PRIu64 " more\n", n - 8);
    return n == 0;
}

// Mark, compare with the trace of verify, forget.
CORE_LOCAL bool marks_verify(mut *m)
{
    gcsim_violation found[8];
    uint64_t n = GCSIM_INSTANTIATION(_whitebox)()->verify_marks(m, found, 8);
    for (uint64_t i = 0; i < n && i < 8; i++)
        printf("      rule %u: %s\n", found[i].invariant, found[i].message);
    return n == 0;
}

CORE_LOCAL bool is_object(gcsim_heap *heap, const void *p)
{
    gcsim_object object;
    return API->find_object(heap, p, &object) == GCSIM_OK;
}

CORE_LOCAL uint64_t count_objects(mut *m)
{
    gcsim_object objects[256];
    uint64_t cursor = 0, total = 0, n;
    while ((n = API->objects(m, &cursor, objects, 256)))
        total += n;
    return total;
}

// Address space that is reserved and not in use: most of any world.
CORE_LOCAL uint64_t reserved_bytes(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512], access[5];
    uint64_t from, to, bytes = 0;
    INVARIANT(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, access) == 3 &&
            strcmp(access, "---p") == 0)
            bytes += to - from;
    fclose(f);
    return bytes;
}

CORE_LOCAL int finish(void)
{
    printf(failures ? "%d checks failed\n" : "all checks passed\n", failures);
    return failures != 0;
}

#if GCSIM_STEPS
// A heap with the stage set up in it, which marks field by field if nothing else is asked for.
CORE_LOCAL gcsim_heap *stage_heap(gcsim_options options, const gcsim_stage *stage)
{
    options.bytes = small_heap.bytes;
    options.reserve_bytes = small_heap.reserve_bytes;
    options.gc_percent = small_heap.gc_percent;
    if (!options.mark_engine)
        options.mark_engine = GCSIM_MARK_FIELD + 1;
    gcsim_status status;
    gcsim_heap *heap = API->heap_create(&options, &status);
    INVARIANT(heap && !gcsim_stepping()->stage_error(stage));
    INVARIANT(gcsim_stepping()->stage_set(heap, stage) == GCSIM_OK);
    return heap;
}

// found.taken stays until the next search.
CORE_LOCAL gcsim_found explore_stage(gcsim_heap *heap, gcsim_search how)
{
    static gcsim_taken taken[1000];
    gcsim_found found = {.bytes = sizeof found, .taken = taken, .room = 1000};
    how.bytes = sizeof how;
    INVARIANT(gcsim_stepping()->explore(heap, &how, &found) == GCSIM_OK);
    return found;
}

// A heap whose mutators do anything that is possible: global -> A -> B, one field each, all locals nil.
CORE_LOCAL gcsim_heap *free_stage(gcsim_options options, uint32_t mutators, uint32_t locals)
{
    static const gcsim_op ops[] = {{GCSIM_OP_FREE, 0, 0, 0}, {0}};
    static const gcsim_op *const programs[] = {ops, ops, ops, ops};
    static const uint8_t fields[] = {2, 0}, globals[] = {1}, nothing[16];
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = 2,
                         .fields = 1,
                         .globals = 1,
                         .locals = locals,
                         .mutators = mutators,
                         .programs = programs,
                         .field_targets = fields,
                         .global_targets = globals,
                         .local_targets = nothing};
    return stage_heap(options, &stage);
}
#endif
