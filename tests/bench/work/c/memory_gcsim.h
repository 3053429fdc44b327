// memory.h on gcsim, with the options that a heap has when nobody says otherwise.

enum {
    MEMORY_PRECISE = 1,
    MEMORY_FREES = 0,
    MEMORY_COLLECTS = 1,
    MEMORY_BARRIER = 1,
    MEMORY_MAPS = 1
};

struct thread {
    struct bench b;
    void **roots;
};

struct kind {
    const gcsim_type *type;
};

static inline const char *setting(const char *name, const char *otherwise)
{
    const char *said = getenv(name);
    return said && *said ? said : otherwise;
}

static inline void memory_open(struct thread *t)
{
    const char *gogc = setting("GOGC", "100");
    gcsim_options options = {
        .gc_percent = strcmp(gogc, "off") ? (int32_t)number(gogc) : -1,
        .procs = (uint32_t)number(setting("GOMAXPROCS", "0")),
        .mark_engine = (uint32_t)number(setting("MARK_ENGINE", "0")),
        .stop_the_world = (uint32_t)number(setting("STOP_THE_WORLD", "0")),
        .huge_pages = (uint32_t)number(setting("HUGE_PAGES", "0")),
    };
    t->b = bench_open_with(options);
    t->roots = bench_frame(&t->b, ROOTS);
}

static inline void thread_open(struct thread *t, struct thread *first)
{
    gcsim_status status;
    t->b = (struct bench){.api = first->b.api, .heap = first->b.heap};
    t->b.m = t->b.api->mutator_attach(t->b.heap, &status);
    if (!t->b.m)
        die(t->b.api->status_text(status));
    gcsim_enter(t->b.m);
    t->b.g = t->b.api->goroutine_new(t->b.m, 0);
    if (!t->b.g)
        die(t->b.api->status_text(t->b.m->status));
    t->roots = bench_frame(&t->b, ROOTS);
}

static inline void thread_close(struct thread *t)
{
    t->b.api->goroutine_end(t->b.m, t->b.g);
    gcsim_leave(t->b.m);
    t->b.api->mutator_detach(t->b.m);
}

// Around waiting for somebody else.
static inline void thread_pause(struct thread *t) { gcsim_leave(t->b.m); }
static inline void thread_resume(struct thread *t) { gcsim_enter(t->b.m); }

static inline struct kind kind_of(struct thread *t, uint64_t bytes, uint64_t pointers)
{
    uint64_t mask = ((uint64_t)1 << pointers) - 1;
    return (struct kind){bench_type(&t->b, "object", bytes / 8, &mask, pointers)};
}

static inline void *make(struct thread *t, struct kind k) { return bench_new(t->b.m, k.type); }
static inline void *make_unset(struct thread *t, struct kind k) { return make(t, k); }

static inline void **make_array(struct thread *t, uint64_t n)
{
    static const uint64_t one = 1;
    void **array = t->b.api->new_array(t->b.m, bench_type(&t->b, "pointer", 1, &one, 1), n);
    if (!array)
        die(t->b.api->status_text(t->b.m->status));
    return array;
}

static inline void put(struct thread *t, void *slot, void *p) { gcsim_store(t->b.m, slot, p); }
static inline void drop(void *p) { (void)p; }
static inline void poll(struct thread *t) { gcsim_safepoint(t->b.m); }
static inline void collect(struct thread *t) { bench_collect(&t->b); }
static inline void collect_by_hand(struct thread *t) { t->b.api->set_gc_percent(t->b.m, -1); }
static inline int is_marking(struct thread *t) { return t->b.m->barrier & GCSIM_BARRIER_MARKING; }

// A goroutine that does nothing, with one frame.
static inline void park(struct thread *t)
{
    static const uint64_t one = 1;
    gcsim_goroutine *g = t->b.api->goroutine_new(t->b.m, 0);
    if (!g || t->b.api->frame_push(t->b.m, g, bench_type(&t->b, "parked", 1, &one, 1), 0) != 0)
        die("no goroutine");
}

// Start and length in ns of every stop since the heap was made, as the last 256 cycles tell.
static inline void print_stops(struct thread *t)
{
    gcsim_metrics s;
    t->b.api->metrics(t->b.m, &s);
    uint64_t last = s.cycles;
    printf("\"stops\": [");
    for (uint64_t n = last > 256 ? last - 255 : 1; n <= last; n++) {
        gcsim_cycle c;
        if (t->b.api->cycle_info(t->b.heap, n, &c) != GCSIM_OK)
            continue;
        printf("[%lu, %lu], [%lu, %lu]%s", c.since_ns, c.pause1_ns,
               c.since_ns + c.pause1_ns + c.mark_ns, c.pause2_ns, n < last ? ", " : "");
    }
    printf("], ");
}

// How many objects the last collection marked.
static inline uint64_t marked(struct thread *t) { return bench_cycle(&t->b).objects_marked; }

static inline void memory_report(struct thread *t)
{
    gcsim_metrics s;
    t->b.api->metrics(t->b.m, &s);
    double ns = (double)(s.assist_ns + s.dedicated_ns + s.idle_mark_ns + s.gc_pause_ns);
    printf("\"collections\": %lu, \"gc_cpu_seconds\": %.6f", s.cycles, ns / 1e9);
}
