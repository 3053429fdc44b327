// Drives the allocator of exercise 21: replays operations on it, checks all that can be seen from outside, and measures it beside malloc.
//
// Follows native.PREAMBLE; test_exercise.py declares the student's functions, forbids malloc and its like by name (so they have other names
// here), and says in learn->data which operations and in `mode` what is done with them.
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, PASSES = 5, MOST_STATIC = 1 << 16, MOST_PAGES = 1 << 16 };
enum { REPLAY, FILL, MEASURE };                      // mode
enum { ALLOC, SHARE, RELEASE, NO_ROOM, NEXT_TRACE }; // struct op.kind
static const char *const kinds[] = {"alloc", "hand-over", "release"};

struct op {
    uint32_t kind;
    uint32_t view;   // what the result is called, or what is released
    uint32_t bytes;  // ALLOC. SHARE: the view that is handed over. NO_ROOM: the size
    uint32_t offset; // SHARE: within that view. NO_ROOM: 1: the size is SIZE_MAX - bytes
};

struct buffer {
    unsigned char *at;
    uint64_t bytes, usable, owners, pattern;
    uint32_t view; // its first
};

struct view {
    unsigned char *at;
    struct buffer *buffer; // NULL: released, or not there yet
};

struct driver {
    const gcsim_api *api;
    gcsim_mutator *m;
    gcsim_work *w;
    const gcsim_type *word;
    void **slots; // roots: one, the table of views
    unsigned char *arena;
    uint64_t arena_bytes;
    struct view *views;
    struct buffer *buffers; // as many as there are operations
    uint64_t nbuffers;
};

// Bytes of static variables that this library has: the student's, and a few of the driver's own.
static int statics_of(struct dl_phdr_info *object, size_t bytes, void *sum)
{
    uint64_t here = 0, written = 0, at = (uintptr_t)statics_of - object->dlpi_addr;
    (void)bytes;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        here |= at - part->p_vaddr < part->p_memsz;
        written += part->p_flags & PF_W ? part->p_memsz : 0;
    }
    if (here)
        *(uint64_t *)sum = written;
    return (int)here;
}

static uint64_t statics(void)
{
    uint64_t sum = 0;
    dl_iterate_phdr(statics_of, &sum);
    return sum;
}

void *map(void *, size_t, int, int, int, off_t) __asm__("mmap");

static void *pages(uint64_t bytes)
{
    char *p = map(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + PAGE, bytes, PROT_READ | PROT_WRITE))
        return NULL;
    madvise(p + PAGE, bytes, MADV_NOHUGEPAGE); // touched pages are counted
    return p + PAGE;                           // between two pages that nobody may touch
}

static void no_pages(void *p, uint64_t bytes) { munmap((char *)p - PAGE, bytes + 2 * PAGE); }

// --- checks

static unsigned char pattern_at(const struct buffer *b, uint64_t i)
{
    return (unsigned char)(b->pattern * 37 + i + (i >> 8) + 1);
}

static void fill(struct buffer *b, uint64_t pattern)
{
    b->pattern = pattern;
    for (uint64_t i = 0; i < b->usable; i++)
        b->at[i] = pattern_at(b, i);
}

static int kept(struct driver *d, const struct buffer *b)
{
    for (uint64_t i = 0; i < b->usable; i++)
        if (b->at[i] != pattern_at(b, i))
            return gcsim_work_fail(d->w,
                                   "step %llu: byte %llu of v%u (owners: %llu) was "
                                   "changed: expected %u, found %u",
                                   (unsigned long long)learn->number, (unsigned long long)i,
                                   b->view, (unsigned long long)b->owners, pattern_at(b, i),
                                   b->at[i]);
    return 0;
}

static int all_kept(struct driver *d)
{
    for (uint64_t i = 0; i < d->nbuffers; i++)
        if (d->buffers[i].owners && kept(d, &d->buffers[i]))
            return 1;
    return 0;
}

// A new buffer of the student's, found fit, as the last of d->buffers.
static int check_new(struct driver *d, void *p, uint64_t bytes, uint32_t view)
{
    unsigned long long step = learn->number, at = (uint64_t)((unsigned char *)p - d->arena);
    if (!p)
        return gcsim_work_fail(d->w, "step %llu: alloc(%llu) found no room in an arena of %llu",
                               step, (unsigned long long)bytes, (unsigned long long)d->arena_bytes);
    if (at >= d->arena_bytes)
        return gcsim_work_fail(d->w, "step %llu: v%u lies outside the arena", step, view);
    if (at % 16)
        return gcsim_work_fail(d->w, "step %llu: v%u lies at %#llx: no multiple of 16", step, view,
                               at);
    uint64_t usable = arena_usable(p);
    if (usable < bytes || usable > d->arena_bytes - at)
        return gcsim_work_fail(d->w,
                               "step %llu: v%u = alloc(%llu) at %#llx of an arena of %#llx, and "
                               "arena_usable says %llu",
                               step, view, (unsigned long long)bytes, at,
                               (unsigned long long)d->arena_bytes, (unsigned long long)usable);
    for (uint64_t i = 0; i < d->nbuffers; i++) {
        const struct buffer *b = &d->buffers[i];
        if (b->owners && (unsigned char *)p < b->at + b->usable &&
            b->at < (unsigned char *)p + usable)
            return gcsim_work_fail(
                d->w,
                "step %llu: v%u lies at %#llx to %#llx, and v%u (owners: %llu) at %#llx "
                "to %#llx",
                step, view, at, at + usable, b->view, (unsigned long long)b->owners,
                (unsigned long long)(b->at - d->arena),
                (unsigned long long)(b->at - d->arena + b->usable));
    }
    struct buffer *b = &d->buffers[d->nbuffers];
    *b = (struct buffer){p, bytes, usable, 1, 0, view};
    fill(b, d->nbuffers++);
    d->views[view] = (struct view){p, b};
    return 0;
}

static int check_shared(struct driver *d, uint32_t from, uint64_t offset, uint32_t view)
{
    struct view *v = &d->views[from];
    unsigned char *p = arena_share(v->at, offset);
    if (p != v->at + offset)
        return gcsim_work_fail(d->w,
                               "step %llu: v%u has to be the same memory, %llu bytes into v%u; %s",
                               (unsigned long long)learn->number, view, (unsigned long long)offset,
                               from, p ? "it lies somewhere else" : "found NULL");
    d->views[view] = (struct view){p, v->buffer};
    v->buffer->owners++;
    return 0;
}

static void release(struct driver *d, uint32_t view)
{
    struct view *v = &d->views[view];
    v->buffer->owners--;
    v->buffer = NULL;
    arena_release(v->at);
}

// A new life of the arena, which has anything in it.
static int begin(struct driver *d)
{
    for (uint64_t i = 0; i < d->arena_bytes; i++)
        d->arena[i] = 0xa5;
    d->nbuffers = 0;
    learn_step(0, "arena_init of %llu bytes", (unsigned long long)d->arena_bytes);
    arena_init(d->arena, d->arena_bytes);
    return statics() > MOST_STATIC
               ? gcsim_work_fail(d->w, "%llu bytes in static variables: the arena is all there is",
                                 (unsigned long long)statics())
               : 0;
}

static int one_op(struct driver *d, const struct op *op, uint64_t step)
{
    uint64_t bytes = op->bytes;
    switch (op->kind) {
    case ALLOC:
        learn_step(step, "v%u = alloc(%u)", op->view, op->bytes);
        if (check_new(d, arena_alloc(bytes), bytes, op->view))
            return 1;
        break;
    case SHARE:
        learn_step(step, "v%u = share(v%u, %u)", op->view, op->bytes, op->offset);
        if (check_shared(d, op->bytes, op->offset, op->view))
            return 1;
        break;
    case RELEASE:
        learn_step(step, "release(v%u)", op->view);
        release(d, op->view);
        break;
    case NO_ROOM:
        bytes = op->offset ? SIZE_MAX - bytes : bytes;
        learn_step(step, "alloc(%llu)", (unsigned long long)bytes);
        if (arena_alloc(bytes))
            return gcsim_work_fail(d->w, "step %llu: alloc(%llu) in an arena of %llu: not NULL",
                                   (unsigned long long)step, (unsigned long long)bytes,
                                   (unsigned long long)d->arena_bytes);
    }
    return all_kept(d);
}

// A trace, or several of which each begins with NEXT_TRACE: the first of these counts them.
static int replay(struct driver *d, const struct op *ops, uint64_t count)
{
    uint64_t step = 0;
    if (begin(d))
        return 1;
    for (uint64_t i = 0; i < count; i++) {
        if (ops[i].kind == NEXT_TRACE) {
            ((struct op *)learn->data)->bytes++; // the test reads it even after a crash
            step = 0;
            if (begin(d))
                return 1;
        } else if (one_op(d, &ops[i], ++step)) {
            return 1;
        }
    }
    return 0;
}

// --- full, empty, and full of something else

// Buffers of one size until there is no room.
static int fill_up(struct driver *d, uint64_t bytes, uint64_t most)
{
    void *p;
    d->nbuffers = 0;
    learn_step(learn->number + 1, "alloc(%llu) until there is no room", (unsigned long long)bytes);
    while (d->nbuffers < most && (p = arena_alloc(bytes))) {
        struct buffer *b = &d->buffers[d->nbuffers];
        uint64_t at = (uint64_t)((unsigned char *)p - d->arena);
        if (at % 16 || at > d->arena_bytes || bytes > d->arena_bytes - at)
            return gcsim_work_fail(d->w,
                                   "buffer %llu of %llu bytes lies at %#llx of an arena of %#llx",
                                   (unsigned long long)d->nbuffers, (unsigned long long)bytes,
                                   (unsigned long long)at, (unsigned long long)d->arena_bytes);
        *b = (struct buffer){p, bytes, bytes, 1, 0, (uint32_t)d->nbuffers};
        fill(b, d->nbuffers);
        d->views[2 * d->nbuffers] = (struct view){p, b};
        d->views[2 * d->nbuffers + 1].buffer = NULL;
        d->nbuffers++;
    }
    return all_kept(d);
}

// Some buffers get a second owner; then all are given back, in any order.
static int empty(struct driver *d, uint64_t *random)
{
    uint64_t n = 2 * d->nbuffers;
    learn_step(learn->number + 1, "share every third");
    for (uint32_t i = 0; i < d->nbuffers; i += 3)
        if (check_shared(d, 2 * i, gcsim_below(random, d->buffers[i].bytes), 2 * i + 1))
            return 1;
    if (all_kept(d))
        return 1;
    learn_step(learn->number + 1, "release all in random order");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t j = i + gcsim_below(random, n - i);
        struct view v = d->views[j];
        d->views[j] = d->views[i];
        d->views[i] = v;
        if (!v.buffer)
            continue;
        if (kept(d, v.buffer))
            return 1;
        release(d, (uint32_t)i);
    }
    return 0;
}

static int fill_and_empty(struct driver *d, uint64_t most)
{
    uint64_t random = d->w->seed, sizes[] = {(uint64_t)d->w->params[2], (uint64_t)d->w->params[3]};
    if (begin(d))
        return 1;
    for (int round = 0; round < 6; round++) {
        uint64_t bytes = sizes[round / 2 % 2];
        if (fill_up(d, bytes, most))
            return 1;
        if (d->nbuffers * bytes < d->arena_bytes / 3)
            return gcsim_work_fail(
                d->w,
                "%s %llu buffers of %llu bytes: that is less than a third of an arena of %llu",
                round ? "after all were released there is room for" : "there is room for",
                (unsigned long long)d->nbuffers, (unsigned long long)bytes,
                (unsigned long long)d->arena_bytes);
        if (empty(d, &random))
            return 1;
    }
    return 0;
}

// --- figures

struct contestant {
    const char *name;
    void *(*alloc)(size_t bytes);
    void *(*share)(void *p, size_t offset, size_t bytes); // bytes: of the new view
    void (*release)(void *p);
};

static void *own_share(void *p, size_t offset, size_t bytes)
{
    (void)bytes;
    return arena_share(p, offset);
}

static void *standard_alloc(size_t bytes) { return __builtin_malloc(bytes); }
static void standard_release(void *p) { __builtin_free(p); }

// Without shared owners each gets a copy.
static void *standard_share(void *p, size_t offset, size_t bytes)
{
    void *copy = __builtin_malloc(bytes);
    return copy ? __builtin_memcpy(copy, (char *)p + offset, bytes) : NULL;
}

static const struct contestant own = {"own", arena_alloc, own_share, arena_release};
static const struct contestant standard = {"malloc", standard_alloc, standard_share,
                                           standard_release};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct live {
    void *p;
    uint64_t bytes; // from here to the end of its buffer
};

// One pass. `spent`: nanoseconds by kind, with a clock around each call; NULL: nothing but the calls. The producer writes a word.
static void pass(const struct contestant *c, const struct op *ops, uint64_t count,
                 struct live *live, uint64_t *spent)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct op *op = &ops[i];
        struct live *v = &live[op->view];
        uint64_t began = spent ? now() : 0;
        learn->number = i + 1;
        switch (op->kind) {
        case ALLOC:
            *v = (struct live){c->alloc(op->bytes), op->bytes};
            *(uint32_t *)v->p = op->view; // 16 bytes is the least
            break;
        case SHARE:
            v->bytes = live[op->bytes].bytes - op->offset;
            v->p = c->share(live[op->bytes].p, op->offset, v->bytes);
            break;
        default:
            c->release(v->p);
        }
        if (spent)
            spent[op->kind] += now() - began;
    }
}

// The same on a heap with a collector: owners are pointers in a table, nothing is released, and a collection at the end finds what is garbage.
static int collected_pass(struct driver *d, const struct op *ops, uint64_t count)
{
    const gcsim_api *api = d->api;
    gcsim_mutator *m = d->m;
    void **table = d->slots[0];
    for (uint64_t i = 0; i < count; i++) {
        const struct op *op = &ops[i];
        void *p = NULL;
        if (op->kind == ALLOC) {
            p = api->new_array(m, d->word, (op->bytes + 7) / 8);
            if (!p)
                return gcsim_work_no_memory(m, d->w);
            *(uint32_t *)p = op->view;
        } else if (op->kind == SHARE) {
            p = (char *)table[op->bytes] + op->offset;
        }
        gcsim_store(m, &table[op->view], p);
    }
    api->collect(m);
    return 0;
}

// Pages of which malloc gave out a part, in bytes: they are never fewer than what lives at once.
static uint64_t standard_peak(const struct op *ops, uint64_t count, struct live *live,
                              uint64_t *seen)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < count; i++) {
        pass(&standard, &ops[i], 1, live, NULL);
        if (ops[i].kind == RELEASE)
            continue;
        void *p = live[ops[i].view].p;
        uint64_t last = ((uintptr_t)p + malloc_usable_size(p) - 1) / PAGE;
        for (uint64_t page = (uintptr_t)p / PAGE; page <= last; page++) {
            uint64_t at = gcsim_mix(page) % MOST_PAGES; // a set of pages, by open addressing
            while (seen[at] && seen[at] != page)
                at = (at + 1) % MOST_PAGES;
            n += !seen[at];
            seen[at] = page;
        }
    }
    return n * PAGE;
}

// A pass with all checks but those of every byte after every step; and the pages of the arena that were touched.
static int own_peak(struct driver *d, const struct op *ops, uint64_t count)
{
    uint64_t live = 0, usable = 0, most = 0, most_usable = 0;
    arena_init(d->arena, d->arena_bytes);
    for (uint64_t i = 0; i < count; i++) {
        const struct op *op = &ops[i];
        learn->number = i + 1;
        if (op->kind == ALLOC) {
            void *p = arena_alloc(op->bytes);
            if (!p)
                return check_new(d, p, op->bytes, op->view);
            struct buffer *b = &d->buffers[d->nbuffers];
            *b = (struct buffer){p, op->bytes, arena_usable(p), 1, 0, op->view};
            fill(b, d->nbuffers++);
            d->views[op->view] = (struct view){p, b};
            live += b->bytes;
            usable += b->usable;
            if (live > most)
                most = live, most_usable = usable;
        } else if (op->kind == SHARE) {
            if (check_shared(d, op->bytes, op->offset, op->view))
                return 1;
        } else {
            struct buffer *b = d->views[op->view].buffer;
            if (kept(d, b))
                return 1;
            live -= b->owners == 1 ? b->bytes : 0;
            usable -= b->owners == 1 ? b->usable : 0;
            release(d, op->view);
        }
    }
    unsigned char touched[1 << 12];
    uint64_t total = statics();
    if (mincore(d->arena, d->arena_bytes, touched))
        return gcsim_work_fail(d->w, "mincore failed");
    for (uint64_t i = 0; i < d->arena_bytes / PAGE; i++)
        total += touched[i] & 1 ? PAGE : 0;
    learn_figure("memory", (double)total);
    learn_figure("live", (double)most);
    learn_figure("usable", (double)most_usable);
    return 0;
}

static int measure(struct driver *d, const struct op *ops, uint64_t count)
{
    const struct contestant *both[] = {&own, &standard};
    uint64_t best[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, one = 1;
    uint64_t least[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    struct live *live = __builtin_calloc(count, sizeof *live);
    uint64_t *seen = __builtin_calloc(MOST_PAGES, sizeof *seen);
    if (!live || !seen)
        return gcsim_work_fail(d->w, "no memory for the driver");
    learn_step(1, "the long trace, with checks");
    uint64_t malloc_peak = standard_peak(ops, count, live, seen);
    if (own_peak(d, ops, count))
        return 1;
    const gcsim_type *pointer = gcsim_work_type(d->api, d->m, "pointer", 1, &one, 1);
    d->word = gcsim_work_bytes(d->api, d->m, "word", 8);
    d->slots = gcsim_work_slots(d->api, d->m, d->w, 1);
    if (!pointer || !d->word || !d->slots ||
        !(d->slots[0] = d->api->new_array(d->m, pointer, count)))
        return gcsim_work_no_memory(d->m, d->w);
    for (int i = 0; i < PASSES; i++) {
        for (int who = 0; who < 2; who++) {
            learn_step(1, "the long trace, pass %d: %s", i + 1, both[who]->name);
            uint64_t began = now();
            if (both[who] == &own)
                arena_init(d->arena, d->arena_bytes);
            pass(both[who], ops, count, live, NULL);
            uint64_t took = now() - began;
            best[who] = took < best[who] ? took : best[who];
        }
        uint64_t began = now();
        if (collected_pass(d, ops, count))
            return 1;
        uint64_t took = now() - began;
        best[2] = took < best[2] ? took : best[2];
    }
    for (int i = 0; i < PASSES;
         i++) { // the least of each: whatever else the processor did is in the others
        uint64_t spent[3] = {0};
        learn_step(1, "the long trace, with a clock around each call");
        arena_init(d->arena, d->arena_bytes);
        pass(&own, ops, count, live, spent);
        for (int kind = 0; kind < 3; kind++)
            least[kind] = spent[kind] < least[kind] ? spent[kind] : least[kind];
    }
    learn_figure("time", (double)best[0] / (double)count);
    learn_figure("malloc time", (double)best[1] / (double)count);
    learn_figure("collected time", (double)best[2] / (double)count);
    learn_figure("malloc memory", (double)malloc_peak);
    uint64_t all = least[ALLOC] + least[SHARE] + least[RELEASE];
    for (int kind = 0; kind < 3; kind++)
        learn_figure(kinds[kind],
                     (double)best[0] / (double)count * (double)least[kind] / (double)all);
    __builtin_free(seen);
    __builtin_free(live);
    return 0;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *work)
{
    gcsim_work *w = work;
    const struct op *ops = (const void *)learn->data;
    uint64_t count = learn->bytes / sizeof *ops, most = (uint64_t)w->params[1] / 16;
    struct driver d = {.api = api, .m = m, .w = w, .arena_bytes = (uint64_t)w->params[1]};
    uint64_t nbuffers = count > most ? count : most;
    d.arena = pages(d.arena_bytes);
    d.views = __builtin_calloc(2 * nbuffers + 2, sizeof *d.views);
    d.buffers = __builtin_calloc(nbuffers + 1, sizeof *d.buffers);
    if (!d.arena || !d.views || !d.buffers)
        return gcsim_work_fail(w, "no memory for the driver");
    int wrong = w->params[0] == REPLAY ? replay(&d, ops, count)
                : w->params[0] == FILL ? fill_and_empty(&d, most)
                                       : measure(&d, ops, count);
    __builtin_free(d.buffers);
    __builtin_free(d.views);
    no_pages(d.arena, d.arena_bytes);
    return wrong;
}

static const gcsim_work_param params[] = {
    {"mode", "", "what is done", REPLAY, REPLAY, MEASURE},
    {"arena", "bytes", "the arena", 1 << 20, PAGE, 1 << 24},
    {"size", "bytes", "of the buffers that fill it", 64, 1, 1 << 20},
    {"then", "bytes", "of those that fill it after them", 64, 1, 1 << 20},
};
GCSIM_WORKLOAD(.name = "arena", .about = "drives an allocator", .run = run, GCSIM_PARAMS(params));
