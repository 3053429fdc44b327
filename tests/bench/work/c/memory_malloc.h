// memory.h on malloc and free: those of the C library, or of what is linked in front of it.

enum {
    MEMORY_PRECISE = 0,
    MEMORY_FREES = 1,
    MEMORY_COLLECTS = 0,
    MEMORY_BARRIER = 0,
    MEMORY_MAPS = 0
};

struct thread {
    void **roots;
};

struct kind {
    uint64_t bytes;
};

static inline void thread_open(struct thread *t, struct thread *first)
{
    (void)first;
    t->roots = sure(calloc(ROOTS, sizeof(void *)));
}

static inline void memory_open(struct thread *t) { thread_open(t, NULL); }
static inline void thread_close(struct thread *t) { free(t->roots); }
static inline void thread_pause(struct thread *t) { (void)t; }
static inline void thread_resume(struct thread *t) { (void)t; }

static inline struct kind kind_of(struct thread *t, uint64_t bytes, uint64_t pointers)
{
    (void)t, (void)pointers;
    return (struct kind){bytes};
}

static inline void *make(struct thread *t, struct kind k)
{
    (void)t;
    return sure(calloc(1, k.bytes));
}

static inline void *make_unset(struct thread *t, struct kind k)
{
    (void)t;
    return sure(malloc(k.bytes));
}

static inline void **make_array(struct thread *t, uint64_t n)
{
    (void)t;
    return sure(calloc(n, sizeof(void *)));
}

static inline void put(struct thread *t, void *slot, void *p)
{
    (void)t;
    *(void **)slot = p;
}

static inline void drop(void *p) { free(p); }
static inline void poll(struct thread *t) { (void)t; }
static inline void collect(struct thread *t) { (void)t; }
static inline void collect_by_hand(struct thread *t) { (void)t; }

static inline int is_marking(struct thread *t)
{
    (void)t;
    return 0;
}

static inline void park(struct thread *t) { (void)t; }
static inline void print_stops(struct thread *t) { (void)t; }

static inline uint64_t marked(struct thread *t)
{
    (void)t;
    return 0;
}

static inline void memory_report(struct thread *t)
{
    (void)t;
    printf("\"collections\": 0");
}
