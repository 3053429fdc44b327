#include "gc/registry.h"

#include "base/os.h"

#include <pthread.h>

struct registered {
    gcsim_heap *heap;
    struct registered *next;
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
    struct rt_lock *locks[] = {&h->lock,       &h->mutators_lock, &h->meta.lock,
                               &h->types.lock, &gc->cycle_lock,   &gc->roots_lock};
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
        rt_lock_init(locks[i]);
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        rt_lock_init(&h->central[spc].lock);
}

static void in_child(void)
{
    pthread_mutex_init(&registry.lock, NULL);
    for (struct registered *r = registry.first; r; r = r->next) {
        gcsim_heap *heap = r->heap;
        // Threads that were inside are gone. What they were doing may be half done: then the heap stays closed to allocation.
        bool cut = heap->mheap.stop & 1;
        for (struct mutator *m = heap->mheap.mutators; m; m = m->next) {
            cut |= m->pub.inside != 0;
            m->pub.inside = 0;
        }
        heap->mheap.stop &= ~1u;
        heap->forked = cut ? 2 : 1;
        free_locks(heap);
        rt_init_in_child(&heap->mheap.rt);
    }
}

static void before_fork(void) { pthread_mutex_lock(&registry.lock); }
static void in_parent(void) { pthread_mutex_unlock(&registry.lock); }

CORE bool registry_add(gcsim_heap *heap)
{
    struct registered *r = os_fault() ? NULL : malloc(sizeof *r);
    if (!r)
        return false;
    pthread_mutex_lock(&registry.lock);
    if (!registry.watching)
        registry.watching = pthread_atfork(before_fork, in_parent, in_child) == 0;
    *r = (struct registered){heap, registry.first};
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
    heap->forked = 0;
    return GCSIM_OK;
}
