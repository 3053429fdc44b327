#include "gc/registry.h"

#include "base/os.h"
#include "gc/assist.h"
#include "gc/cycle.h"
#include "gc/processor.h"
#include "gc/worker.h"

#include <pthread.h>

struct registered {
    gcsim_heap *heap;
    struct registered *next;
    bool quiet; // between before_fork and after
};

static struct {
    pthread_mutex_t lock;
    struct registered *first;
    bool watching;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void free_locks(gcsim_heap *heap)
{
    struct mheap *h = &heap->mheap;
    struct gc *gc = &heap->gc;
    struct rt_lock *locks[] = {&h->lock,
                               &h->mutators_lock,
                               &h->meta.lock,
                               &h->types.lock,
                               &gc->cycle_lock,
                               &gc->mark_done_lock,
                               &gc->ragged_lock,
                               &gc->roots_lock,
                               &gc->specials_lock,
                               &gc->work.lock,
                               &gc->workers.lock,
                               &gc->team.lock,
                               &gc->pace_lock,
                               &gc->assists.lock,
                               &gc->processors.lock,
                               &h->history->traces.lock,
                               &h->history->traces.writing};
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
        rt_lock_init(locks[i]);
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        rt_lock_init(&h->central[spc].lock);
}

// The collector's own threads do not live on in the child, so they are brought outside, where they have nothing half done. Not
// possible while another thread keeps the world stopped, or this one does (a fork in the poll callback): then the child's copy is cut.
static bool quiet_workers(struct registered *r)
{
    struct mheap *h = &r->heap->mheap;
    struct gc *gc = &r->heap->gc;
    enum { TRIES = 1000, TRY_NS = 200000 };
    uint32_t never = 0;
    for (int i = 0; !rt_try_lock(&h->rt, &gc->cycle_lock); i++) {
        if (i == TRIES)
            return false;
        rt_wait_for(&h->rt, &never, 0, TRY_NS);
    }
    rt_lock(&h->rt, &h->mutators_lock);
    __atomic_fetch_or(&h->stop, GCSIM_STOP_NOW, __ATOMIC_SEQ_CST);
    rt_fence_heavy(&h->rt);
    for (uint32_t i = 0; i < gc->workers.started; i++)
        while (__atomic_load_n(&gc->workers.mutators[i]->pub.inside, __ATOMIC_ACQUIRE))
            rt_wait_for(&h->rt, &gc->workers.mutators[i]->pub.inside, 1, TRY_NS);
    return true;
}

static void before_fork(void)
{
    pthread_mutex_lock(&registry.lock);
    for (struct registered *r = registry.first; r; r = r->next)
        r->quiet = RT_HAS_THREADS && quiet_workers(r);
}

static void in_parent(void)
{
    for (struct registered *r = registry.first; r; r = r->next)
        if (r->quiet) {
            struct mheap *h = &r->heap->mheap;
            __atomic_fetch_and(&h->stop, ~GCSIM_STOP_NOW, __ATOMIC_SEQ_CST);
            rt_wake_all(&h->rt, &h->stop);
            rt_unlock(&h->rt, &h->mutators_lock);
            rt_unlock(&h->rt, &r->heap->gc.cycle_lock);
        }
    pthread_mutex_unlock(&registry.lock);
}

static void in_child(void)
{
    pthread_mutex_init(&registry.lock, NULL);
    for (struct registered *r = registry.first; r; r = r->next) {
        gcsim_heap *heap = r->heap;
        // Threads that were inside are gone. What they were doing may be half done: then the heap stays closed to allocation.
        bool cut = rt_has_threads(&heap->mheap.rt) ? !r->quiet : heap->mheap.stop & GCSIM_STOP_NOW;
        // First: as long as the thread that forked passes for another's coroutine, its next step point leads to that one's stack.
        rt_init_in_child(&heap->mheap.rt);
        worker_forget_all(&heap->mheap);
        for (struct mutator *m = heap->mheap.mutators; m; m = m->next) {
            cut |= m->pub.inside != 0;
            m->pub.inside = 0;
        }
        heap->mheap.stop &= GCSIM_STOP_STANDING;
        assist_forget_all(&heap->mheap);
        heap->forked = cut ? 2 : 1;
        free_locks(heap);
        processor_reset(&heap->mheap);
        trace_forget(&heap->mheap.history->traces);
    }
}

CORE bool registry_add(gcsim_heap *heap)
{
    struct registered *r = os_fault() ? NULL : malloc(sizeof *r);
    if (!r)
        return false;
    pthread_mutex_lock(&registry.lock);
    if (!registry.watching)
        registry.watching = pthread_atfork(before_fork, in_parent, in_child) == 0;
    *r = (struct registered){.heap = heap, .next = registry.first};
    registry.first = r;
    pthread_mutex_unlock(&registry.lock);
    return true;
}

CORE void registry_remove(gcsim_heap *heap)
{
    pthread_mutex_lock(&registry.lock);
    struct registered **link = &registry.first, *r;
    while ((*link)->heap != heap)
        link = &(*link)->next;
    r = *link;
    *link = r->next;
    pthread_mutex_unlock(&registry.lock);
    free(r);
}

CORE gcsim_status registry_after_fork(gcsim_heap *heap)
{
    if (heap->forked == 2)
        return GCSIM_BAD_STATE;
    if (heap->gc.phase == GC_MARK) // the parent's cycle; nobody else is here
        cycle_undo(&heap->mheap);
    heap->forked = 0;
    return GCSIM_OK;
}
