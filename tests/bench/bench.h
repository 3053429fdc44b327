// What the measuring programs share: a heap with one mutator, clocks, resident memory, and failing loudly.
//
// They use the public API alone and print one JSON object on standard output; tests/bench/run.py runs them and reads it.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gcsim/gcsim.h"

struct bench {
    const gcsim_api *api;
    gcsim_heap *heap;
    gcsim_mutator *m;
    gcsim_goroutine *g;
};

__attribute__((noreturn, cold)) static inline void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline void *sure(void *p)
{
    if (!p)
        die("no memory");
    return p;
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// A number of kB from one of this process's files in /proc, in bytes.
static inline uint64_t proc_bytes(const char *file, const char *key)
{
    FILE *f = fopen(file, "r");
    char line[256];
    uint64_t kib = 0;
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f))
        found =
            strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), " %lu", &kib) == 1;
    if (f)
        fclose(f);
    if (!found)
        die("cannot read the resident memory from /proc");
    return kib * 1024;
}

static inline uint64_t resident_bytes(void)
{
    return proc_bytes("/proc/self/smaps_rollup", "Rss:");
}

// Address space, used or not.
static inline uint64_t reserved_bytes(void) { return proc_bytes("/proc/self/status", "VmSize:"); }

// Not ru_maxrss: that starts with what the parent had before exec.
static inline uint64_t peak_bytes(void) { return proc_bytes("/proc/self/status", "VmHWM:"); }

static inline uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        die("not a number on the command line");
    return n;
}

// The last word of a command line: how collections run.
static inline bool is_stopped(const char *word)
{
    if (strcmp(word, "stopped") && strcmp(word, "concurrent"))
        die("collections are `stopped` (the world stands still while they mark) or `concurrent`");
    return word[0] == 's';
}

// A mark engine by its name, as in gcsim_options; 0: there is none.
static inline uint32_t mark_engine(const char *name)
{
    return strcmp(name, "field") == 0    ? GCSIM_MARK_FIELD + 1
           : strcmp(name, "object") == 0 ? GCSIM_MARK_OBJECT + 1
           : strcmp(name, "span") == 0   ? GCSIM_MARK_SPAN + 1
           : strcmp(name, "mixed") == 0  ? GCSIM_MARK_MIXED + 1
                                         : 0;
}

// mark_engine: as in gcsim_options; stopped: the world, while marking. The mutator is inside when this returns.
static inline struct bench bench_open_with(gcsim_options options)
{
    struct bench b = {.api = gcsim_fast()};
    options.bytes = sizeof options;
    gcsim_status status;
    b.heap = b.api->heap_create(&options, &status);
    if (!b.heap)
        die(b.api->status_text(status));
    b.m = b.api->mutator_attach(b.heap, &status);
    if (!b.m)
        die(b.api->status_text(status));
    gcsim_enter(b.m);
    b.g = b.api->goroutine_new(b.m, 0);
    if (!b.g)
        die(b.api->status_text(b.m->status));
    return b;
}

static inline struct bench bench_open(int32_t gc_percent, uint32_t mark_engine, bool stopped)
{
    return bench_open_with((gcsim_options){
        .gc_percent = gc_percent, .mark_engine = mark_engine, .stop_the_world = stopped});
}

static inline void bench_close(struct bench *b)
{
    gcsim_leave(b->m);
    b->api->mutator_detach(b->m);
    b->api->heap_destroy(b->heap);
}

// A type of so many words whose first words are pointers as `mask` says.
static inline const gcsim_type *bench_type(struct bench *b, const char *name, uint64_t words,
                                           const uint64_t *mask, uint64_t ptr_words)
{
    gcsim_type_desc desc = {.name = name,
                            .bytes = words * 8,
                            .ptr_bytes = ptr_words * 8,
                            .mask = mask,
                            .align = 8,
                            .kind = GCSIM_KIND_STRUCT};
    gcsim_status status;
    const gcsim_type *t = b->api->type_new(b->heap, &desc, &status);
    if (!t)
        die(b->api->status_text(status));
    return t;
}

static inline void *bench_new(gcsim_mutator *m, const gcsim_type *t)
{
    void *p = gcsim_new(m, t);
    if (!p)
        die(m->api->status_text(m->status));
    return p;
}

// A frame of `count` pointer slots (at most 64). They stay where they are until the next push.
static inline void **bench_frame(struct bench *b, uint64_t count)
{
    uint64_t mask = count < 64 ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0;
    uint64_t at = b->api->frame_push(b->m, b->g, bench_type(b, "frame", count, &mask, count), 0);
    if (at == UINT64_MAX)
        die(b->api->status_text(b->m->status));
    return gcsim_frame_slots(b->g, at);
}

static inline void bench_collect(struct bench *b)
{
    gcsim_status status = b->api->collect(b->m);
    if (status != GCSIM_OK)
        die(b->api->status_text(status));
}

static inline gcsim_cycle bench_cycle(struct bench *b)
{
    gcsim_cycle cycle;
    if (b->api->cycle_info(b->heap, 0, &cycle) != GCSIM_OK)
        die("no cycle has been recorded");
    return cycle;
}

// splitmix64: the same numbers in tests/bench/go/mark.go.
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint32_t bench_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((bench_random(state) >> 32) * n) >> 32);
}

static inline void print_list(const char *name, const double *values, unsigned n)
{
    printf("\"%s\": [", name);
    for (unsigned i = 0; i < n; i++)
        printf("%s%.4f", i ? ", " : "", values[i]);
    printf("]");
}
