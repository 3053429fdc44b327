// instantiations: fast step
//
// The debug switches: checkmark, efence, sbrk, verify_phases, stress_bytes. What is fatal happens in a child process, whose last words are read.
#include "harness.h"

#include <signal.h>
#include <sys/wait.h>

static void set(mut *m, void *object, int i, void *to) { gcsim_store(m, (void **)object + i, to); }

// --- children ----------------------------------------------------------------------------------------------------

struct death {
    int signal;
    char words[4096];
};

static struct death die_in_child(void (*run)(void *arg), void *arg)
{
    struct death d = {0};
    int out[2];
    fflush(stdout);
    INVARIANT(pipe(out) == 0);
    pid_t child = fork();
    INVARIANT(child >= 0);
    if (child == 0) {
        dup2(out[1], 2);
        close(out[0]);
#if defined(CORE_ASAN) || defined(CORE_TSAN)
        signal(SIGSEGV, SIG_DFL); // the sanitizer's report takes long and is not what is looked for
#endif
        run(arg);
        _exit(0);
    }
    close(out[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(out[0], d.words + n, sizeof d.words - 1 - n)) > 0;)
        n += (size_t)got;
    close(out[0]);
    int status;
    waitpid(child, &status, 0);
    d.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return d;
}

static bool says(const struct death *d, const char *words)
{
    bool found = strstr(d->words, words) != NULL;
    if (!found)
        printf("      no \"%s\" in: %s\n", words, d->words);
    return found;
}

// --- checkmark ---------------------------------------------------------------------------------------------------

enum holder { HELD_BY_OBJECT, HELD_BY_HANDLE, HELD_BY_FRAME, HELD_BY_BATCH, HELD_BY_NOBODY };

// A cycle whose marks are right but for one, that of an object with such a holder.
static void lose_a_mark(void *arg)
{
    enum holder holder = *(enum holder *)arg;
    gcsim_options options = small_heap;
    options.check_mark = 1;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 4, 15);
    gcsim_handle *root = API->handle_new(m, NULL);
    void **parent = NULL;
    for (int i = 0; i < 10; i++)
        parent = gcsim_new(m, node);
    gcsim_store(m, &root->ptr, parent); // slot 9
    void *child = NULL;
    if (holder == HELD_BY_OBJECT)
        set(m, parent, 2, child = gcsim_new(m, node));
    if (holder == HELD_BY_HANDLE)
        API->handle_new(m, child = gcsim_new(m, node));
    if (holder == HELD_BY_FRAME) {
        gcsim_goroutine *g = API->goroutine_new(m, 0);
        uint64_t at = API->frame_push(m, g, node, 0);
        ((void **)gcsim_frame_slots(g, at))[1] = child = gcsim_new(m, node);
    }
    if (holder == HELD_BY_BATCH) {
        gcsim_build build = {.count = 3, .types = &node, .ntypes = 1};
        child = API->build(m, &build)->objects[2];
    }
    if (holder == HELD_BY_NOBODY)
        child = gcsim_new(m, node);
    uint64_t from = cycle_stop_quiet(mutator_of(m));
    cycle_open(mutator_of(m), GCSIM_TRIGGER_FORCED, from, true);
    pace_transition_done(H(m->heap));
    cycle_mark_stopped(mutator_of(m));
    gcsim_span *s = span_of(H(m->heap), child);
    uint32_t index = span_index(s, child);
    if (mark_is_set(s, index)) {
        m->heap->gc.objects_marked--;
        m->heap->gc.bytes_marked -= s->slot_bytes;
    }
    s->marks[index / 64] &= ~(1ull << (index % 64));
    cycle_end(mutator_of(m), from);
    if (!verifies(m))
        raise(SIGTERM);
    close_heap(m);
}

static void checkmark_finds(void)
{
    static const struct {
        enum holder holder;
        const char *name, *place;
    } cases[] = {
        {HELD_BY_OBJECT, "an object", "offset 16 of slot 9 of the span at page"},
        {HELD_BY_HANDLE, "a handle", "a root at world offset"},
        {HELD_BY_FRAME, "a frame", "of the goroutine stack at page"},
        {HELD_BY_BATCH, "a strong batch", "offset 16 of the strong batch at page"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct death d = die_in_child(lose_a_mark, (void *)&cases[i].holder);
        check(d.signal == SIGABRT && says(&d, "checkmark found an unmarked object") &&
                  says(&d, "(32-byte slots, span class 8, sweepgen h+3)") &&
                  says(&d, cases[i].place),
              "checkmark: an unmarked object held by %s is fatal, and named", cases[i].name);
    }
    enum holder nobody = HELD_BY_NOBODY;
    struct death d = die_in_child(lose_a_mark, &nobody);
    check(d.signal == 0, "checkmark: an unmarked object that nobody holds is none of its business");
    if (d.signal)
        printf("      %s\n", d.words);
}

// It visits each object once, also where work buffers run out of memory, and leaves nothing behind.
static void checkmark_is_complete(void)
{
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        gcsim_options options = small_heap;
        options.check_mark = 1;
        options.mark_engine = engine + 1;
        mut *m = open_heap(options);
        struct mheap *h = H(m->heap);
        const gcsim_type *node = make_type(m->heap, "node", 2, 3);
        gcsim_handle *table = API->handle_new(m, API->new_array(m, node, 20000));
        void *last = NULL;
        for (int i = 0; i < 40000; i++)
            set(m, table->ptr, i, last = gcsim_new(m, node));
        check(API->collect(m) == GCSIM_OK && count_objects(m) == 40001 && verifies(m),
              "engine %u: a collection with checkmark on", engine);
        const uint64_t *bits = (const uint64_t *)(void *)world_at(h->world, REGION_CHECK_MARKS);
        bool clear = world_committed(h->world, REGION_CHECK_MARKS) > 0;
        for (uint64_t i = 0; i < h->grown_pages * MARK_BYTES_PER_PAGE / 8; i++)
            clear &= bits[i] == 0;
        check(clear, "engine %u: its bitmaps are clear again", engine);
        // Fill the heap, so that no page is left for work buffers.
        const gcsim_type *page = make_bytes(m->heap, "page", PAGE_BYTES);
        while (gcsim_new(m, page) || API->new_array(m, page, 8))
            set(m, last, 0, NULL);
        gcsim_cycle c;
        check(m->status == GCSIM_HEAP_FULL && API->collect(m) == GCSIM_OK &&
                  API->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.objects_marked == 40001 &&
                  verifies(m),
              "engine %u: checkmark without memory for work buffers, %" PRIu64 " rescans", engine,
              c.rescans);
        close_heap(m);
    }
    uint64_t globals_work[2];
    for (uint32_t on = 0; on < 2; on++) {
        gcsim_options options = small_heap;
        options.check_mark = on;
        mut *m = open_heap(options);
        API->global_new(m, 0);
        gcsim_cycle c;
        check(API->collect(m) == GCSIM_OK && API->cycle_info(m->heap, 0, &c) == GCSIM_OK,
              "a cycle with a global");
        globals_work[on] = c.globals_work;
        close_heap(m);
    }
    check(globals_work[0] > 0 && globals_work[0] == globals_work[1],
          "what checkmark looks at is not counted as work: %" PRIu64 " bytes of globals",
          globals_work[1]);
    mut *m = open_heap(small_heap);
    gcsim_new(m, make_type(m->heap, "node", 2, 3));
    check(world_committed(H(m->heap)->world, REGION_CHECK_MARKS) == 0,
          "without the switch its bitmaps take no memory");
    close_heap(m);
}

// --- efence ------------------------------------------------------------------------------------------------------

static void touch_freed(void *arg)
{
    (void)arg;
    gcsim_options options = small_heap;
    options.efence = 1;
    mut *m = open_heap(options);
    uint64_t *p = gcsim_new(m, make_type(m->heap, "node", 4, 1));
    p[1] = 7;
    API->collect(m);
    fprintf(stderr, "it holds %" PRIx64, GCSIM_LOAD(&p[1]));
    _exit(0);
}

static void fences(void)
{
    gcsim_options options = small_heap;
    options.efence = 1;
    mut *m = open_heap(options);
    const gcsim_type *types[] = {make_bytes(m->heap, "tiny", 3), make_type(m->heap, "node", 2, 3),
                                 make_type(m->heap, "wide", 90, 5),
                                 make_bytes(m->heap, "bytes", 700),
                                 make_bytes(m->heap, "large", 40000)};
    char *kept[50], *dead[50];
    gcsim_weak *weak[50];
    for (int i = 0; i < 50; i++) {
        kept[i] = gcsim_new(m, types[i % 5]);
        dead[i] = gcsim_new(m, types[i % 5]);
        weak[i] = API->weak_new(m, dead[i]);
        API->handle_new(m, kept[i]);
    }
    bool own = true, unique = true;
    for (int i = 0; i < 50; i++) {
        gcsim_object o;
        own &= (uintptr_t)kept[i] % PAGE_BYTES == 0 &&
               API->find_object(m->heap, kept[i], &o) == GCSIM_OK && o.index == 0 &&
               !o.header_bytes;
    }
    check(own && verifies(m), "efence: every object begins a page of its own");
    check(API->collect(m) == GCSIM_OK && count_objects(m) == 50 && verifies(m),
          "efence: the dead are freed");
    for (int i = 0; i < 50; i++)
        unique &= API->weak_get(m, weak[i]) == NULL && !is_object(m->heap, dead[i]);
    for (int i = 0; i < 200; i++) {
        char *p = gcsim_new(m, types[i % 5]);
        for (int k = 0; k < 50; k++)
            unique &= p < dead[k] || p >= dead[k] + PAGE_BYTES;
    }
    check(unique, "efence: their addresses are never used again");
    gcsim_span_info spans[64];
    uint64_t cursor = 0, fenced = 0, n;
    while ((n = API->spans(m, &cursor, spans, 64)))
        for (uint64_t i = 0; i < n; i++)
            fenced += spans[i].state == GCSIM_SPAN_MANUAL && spans[i].purpose == GCSIM_MANUAL_FENCE;
    check(fenced == 50, "efence: %" PRIu64 " spans are fenced off", fenced);
    API->collect(m);
    check(count_objects(m) == 50 && marks_verify(m) && verifies(m), "efence: again");
    close_heap(m);
    struct death d = die_in_child(touch_freed, NULL);
    // A sanitizer says it in its own words, and ends the process in its own way.
    check(GCSIM_STEPS ? d.signal == 0 && says(&d, "it holds deadbeefdeadbeef")
                      : d.signal == SIGSEGV || says(&d, "Sanitizer:"),
          "efence: who touches a freed object %s",
          GCSIM_STEPS ? "reads 0xdeadbeef" : "is stopped by the system");
}

// --- sbrk --------------------------------------------------------------------------------------------------------

static void sbrk_frees_nothing(uint32_t stopped)
{
    gcsim_options options = small_heap;
    options.sbrk = 1;
    options.gc_percent = 1;
    options.stop_the_world = stopped;
    options.verify_phases = 1;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 3), *tiny = make_bytes(m->heap, "b", 5);
    void *lost = gcsim_new(m, node);
    gcsim_weak *weak = API->weak_new(m, lost);
    for (int i = 0; i < 100000; i++) {
        void *p = gcsim_new(m, node);
        set(m, p, 0, i % 3 ? lost : NULL);
        gcsim_new(m, tiny);
    }
    gcsim_cycle c;
    check(API->cycle_info(m->heap, 0, &c) == GCSIM_BAD_SIZE, "sbrk: no cycle starts by itself");
    uint64_t before = count_objects(m);
    check(API->collect(m) == GCSIM_OK && API->collect(m) == GCSIM_OK, "sbrk: collect runs");
    check(API->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.number == 2 && c.freed_objects == 0 &&
              c.objects_marked == before && count_objects(m) == before,
          "sbrk: and frees nothing of %" PRIu64 " objects that nobody holds", before);
    check(API->weak_get(m, weak) == lost && verifies(m), "sbrk: weak references stay");
    gcsim_memstats s;
    API->memstats(m, &s);
    check(s.heap_objects >= before && s.mallocs - s.frees == s.heap_objects,
          "sbrk: MemStats agree");
    close_heap(m);
}

// --- verify_phases, stress_bytes ---------------------------------------------------------------------------------

static void break_and_collect(void *arg)
{
    gcsim_options options = small_heap;
    options.verify_phases = *(uint32_t *)arg;
    mut *m = open_heap(options);
    gcsim_new(m, make_type(m->heap, "node", 2, 3));
    H(m->heap)->spans_in_use++; // rule 12
    API->collect(m);
    _exit(0);
}

static void phases_verify(void)
{
    uint32_t off = 0, on = 1;
    struct death d = die_in_child(break_and_collect, &on);
    check(d.signal == SIGABRT && says(&d, "at the edge of a cycle") && says(&d, "of rule 12"),
          "verify_phases: a cycle finds what is broken before it begins");
    d = die_in_child(break_and_collect, &off);
    check(GCSIM_DEBUG ? d.signal == SIGABRT : d.signal == 0,
          "verify_phases: off but in debug builds");
}

static void cycles_by_stress(int32_t percent, uint64_t least, uint64_t most)
{
    gcsim_options options = small_heap;
    options.gc_percent = percent;
    options.stop_the_world = 1;
    options.stress_bytes = 64 << 10;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 4, 1);
    for (int i = 0; i < 131072; i++) // 4 MiB
        gcsim_new(m, node);
    gcsim_cycle c = {0};
    API->cycle_info(m->heap, 0, &c);
    check(c.number >= least && c.number <= most && verifies(m),
          "stress_bytes at %d percent: %" PRIu64 " cycles", percent, c.number);
    close_heap(m);
}

int main(void)
{
    checkmark_finds();
    checkmark_is_complete();
    fences();
    for (uint32_t stopped = 0; stopped < 3; stopped++)
        sbrk_frees_nothing(stopped);
    phases_verify();
    cycles_by_stress(100, 60, 68); // 4 MiB by 64 KiB, and what spans take besides objects
    cycles_by_stress(-1, 0, 0);
    return finish();
}
