// The list of the textbook: all threads insert into the same linked lists while the collector runs, and the lists are counted afterwards.
// Every node must be there, each thread's in the order of insertion. Garbage is made beside.
#include "gcsim/workload.h"

enum { LIST_MOST = 64, LIST_THREADS = 1024 };

struct list_node {
    struct list_node *next;
    uint64_t thread, number; // number: of the insertion within its thread, from 1
    uint64_t check;
};

struct list_head {
    gcsim_handle *head; // the list's root
    uint32_t lock;
};

struct list_shared {
    struct list_head lists[LIST_MOST];
};

// Who holds it comes to no poll, so waiting for it needs none.
static void list_lock(gcsim_mutator *m, const gcsim_work *w, struct list_head *list)
{
    while (__atomic_exchange_n(&list->lock, 1u, __ATOMIC_ACQUIRE))
        gcsim_work_yield(m, w);
}

static void list_unlock(struct list_head *list)
{
    __atomic_store_n(&list->lock, 0u, __ATOMIC_RELEASE);
}

static uint64_t list_check(const struct list_node *n, uint64_t seed)
{
    return gcsim_mix(seed ^ gcsim_mix(n->thread << 40 ^ n->number));
}

static int list_prepare(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct list_shared *s = w->shared;
    for (int64_t i = 0; i < w->params[0]; i++)
        if (!(s->lists[i].head = api->handle_new(m, NULL)))
            return gcsim_work_no_memory(m, w);
    return 0;
}

static int list_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct list_shared *s = w->shared;
    uint64_t first = 1, lists = (uint64_t)w->params[0], nodes = (uint64_t)w->params[1];
    const gcsim_type *node = gcsim_work_type(api, m, "list node", 4, &first, 1);
    const gcsim_type *garbage = gcsim_work_bytes(api, m, "garbage", (uint64_t)w->params[2]);
    if (!node || !garbage)
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "insert");
    for (uint64_t i = 1; i <= nodes && !gcsim_work_poll(m, w); i++) {
        struct list_head *list = &s->lists[gcsim_below(&w->random, lists)];
        if (!gcsim_new(m, garbage))
            return gcsim_work_no_memory(m, w);
        struct list_node *n = gcsim_new(m, node); // no poll from here until it hangs in its list
        if (!n)
            return gcsim_work_no_memory(m, w);
        n->thread = w->thread;
        n->number = i;
        n->check = list_check(n, w->seed);
        list_lock(m, w, list);
        gcsim_store(m, &n->next, list->head->ptr);
        gcsim_store(m, &list->head->ptr, n);
        list_unlock(list);
        w->checksum += 1;
    }
    return 0;
}

// Counts one list; `last` holds, by thread, the number that the next node must lie below.
static int list_walk(gcsim_work *w, const struct list_node *n, uint64_t *last, uint64_t *count)
{
    for (uint32_t t = 0; t < w->threads; t++)
        last[t] = UINT64_MAX;
    for (; n; n = n->next, ++*count) {
        if (n->check != list_check(n, w->seed) || n->thread >= w->threads)
            return gcsim_work_fail(w, "a node is damaged");
        if (n->number >= last[n->thread])
            return gcsim_work_fail(w, "the nodes of thread %u are out of order",
                                   (unsigned)n->thread);
        last[n->thread] = n->number;
        w->checksum += n->check;
    }
    return 0;
}

static int list_finish(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct list_shared *s = w->shared;
    uint64_t last[LIST_THREADS], count = 0;
    int failed = 0;
    for (int64_t i = 0; i < w->params[0]; i++) {
        if (!failed && !w->failed)
            failed = list_walk(w, s->lists[i].head->ptr, last, &count);
        api->handle_drop(m->heap, s->lists[i].head);
    }
    uint64_t inserted = (uint64_t)w->params[1] * w->threads;
    if (!failed && !w->failed && !GCSIM_LOAD(w->stop) && count != inserted)
        failed = gcsim_work_fail(w, "%llu nodes of %llu are there", (unsigned long long)count,
                                 (unsigned long long)inserted);
    return failed;
}

static const gcsim_work_param list_params[] = {
    {"lists", "", "linked lists that all threads insert into", 8, 1, LIST_MOST},
    {"nodes", "", "insertions, per thread", 500000, 0, INT64_MAX},
    {"garbage", "bytes", "allocated and dropped beside each node", 64, 1, 1 << 24}};

static const gcsim_workload list_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "list",
    .about = "threads insert into shared linked lists, which are counted afterwards",
    .shared_bytes = sizeof(struct list_shared),
    .prepare = list_prepare,
    .run = list_run,
    .op_ps = LIST_OP_PS,
    .shade_ps = LIST_SHADE_PS,
    .finish = list_finish,
    GCSIM_PARAMS(list_params)};
