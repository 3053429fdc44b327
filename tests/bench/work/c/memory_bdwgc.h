// memory.h on the Boehm-Demers-Weiser collector. GC_MARKERS in the environment is its number of marking threads.

#define GC_THREADS
#include <gc.h>

enum {
    MEMORY_PRECISE = 0,
    MEMORY_FREES = 0,
    MEMORY_COLLECTS = 1,
    MEMORY_BARRIER = 0,
    MEMORY_MAPS = 0
};
enum { MOST_STOPS = 1 << 16 };

struct thread {
    void **roots;
};

struct kind {
    uint64_t bytes, pointers;
};

struct told {
    uint64_t opened, n, stops[MOST_STOPS][2];
};

#ifdef MEMORY_DEFINES
struct told told;
#else
extern struct told told;
#endif

// A stop lasts from before the first thread is stopped until the last one goes on.
static inline void on_event(GC_EventType event)
{
    if (event == GC_EVENT_PRE_STOP_WORLD && told.n < MOST_STOPS)
        told.stops[told.n][0] = now_ns();
    if (event == GC_EVENT_POST_START_WORLD && told.n < MOST_STOPS) {
        told.stops[told.n][1] = now_ns() - told.stops[told.n][0];
        told.n++;
    }
}

static inline void thread_open(struct thread *t, struct thread *first)
{
    (void)first;
    t->roots = sure(GC_MALLOC_UNCOLLECTABLE(ROOTS * sizeof(void *)));
}

static inline void memory_open(struct thread *t)
{
    GC_INIT();
    told.opened = now_ns();
    GC_set_on_collection_event(on_event);
    thread_open(t, NULL);
}

static inline void thread_close(struct thread *t) { GC_FREE(t->roots); }
static inline void thread_pause(struct thread *t) { (void)t; }
static inline void thread_resume(struct thread *t) { (void)t; }

static inline struct kind kind_of(struct thread *t, uint64_t bytes, uint64_t pointers)
{
    (void)t;
    return (struct kind){bytes, pointers};
}

static inline void *make(struct thread *t, struct kind k)
{
    (void)t;
    return k.pointers ? sure(GC_MALLOC(k.bytes))
                      : memset(sure(GC_MALLOC_ATOMIC(k.bytes)), 0, k.bytes);
}

static inline void *make_unset(struct thread *t, struct kind k) { return make(t, k); }

static inline void **make_array(struct thread *t, uint64_t n)
{
    (void)t;
    return sure(GC_MALLOC_IGNORE_OFF_PAGE(n * sizeof(void *)));
}

static inline void put(struct thread *t, void *slot, void *p)
{
    (void)t;
    *(void **)slot = p;
}

static inline void drop(void *p) { (void)p; }
static inline void poll(struct thread *t) { (void)t; }

static inline void collect(struct thread *t)
{
    (void)t;
    GC_gcollect();
}

static inline void collect_by_hand(struct thread *t) { (void)t; } // it has no such state

static inline int is_marking(struct thread *t)
{
    (void)t;
    return 0;
}

static inline void park(struct thread *t) { (void)t; }

static inline void print_stops(struct thread *t)
{
    (void)t;
    printf("\"stops\": [");
    for (uint64_t i = 0; i < told.n; i++)
        printf("%s[%lu, %lu]", i ? ", " : "", told.stops[i][0] - told.opened, told.stops[i][1]);
    printf("], ");
}

static inline uint64_t marked(struct thread *t)
{
    (void)t;
    return 0; // it does not tell
}

static inline void memory_report(struct thread *t)
{
    (void)t;
    printf("\"collections\": %lu", GC_get_gc_no());
}
