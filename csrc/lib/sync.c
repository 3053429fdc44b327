#include "lib/sync.h"

static enum sync_result sync_block(gcsim_mutator *m, void *object, struct waitq *q,
                                   gcsim_goroutine *g, uint32_t reason, struct sudog *s)
{
    s->g = g;
    gcsim_store(m, &s->wait.object, object);
    waitq_push(m, q, s);
    m->api->goroutine_park(m, g, reason, s);
    return SYNC_BLOCKS;
}

// --- Mutex -------------------------------------------------------------------------------------------------------

LIB enum sync_result mutex_lock(gcsim_mutator *m, struct mutex *mu, gcsim_goroutine *g,
                                struct sudog *s)
{
    if (mu->locked)
        return sync_block(m, mu, &mu->queue, g, GCSIM_WAIT_MUTEX, s);
    mu->locked = 1;
    return SYNC_DONE;
}

LIB enum sync_result mutex_unlock(gcsim_mutator *m, struct mutex *mu)
{
    if (!mu->locked)
        return SYNC_NOT_LOCKED;
    if (mu->queue.first) // it stays locked: for that one
        wait_wake(m, mu->queue.first, true);
    else
        mu->locked = 0;
    return SYNC_DONE;
}

// --- RWMutex -----------------------------------------------------------------------------------------------------

LIB enum sync_result rwmutex_lock(gcsim_mutator *m, struct rwmutex *mu, gcsim_goroutine *g,
                                  struct sudog *s)
{
    if (mu->writing || mu->reading)
        return sync_block(m, mu, &mu->writers, g, GCSIM_WAIT_RWMUTEX, s);
    mu->writing = 1;
    return SYNC_DONE;
}

LIB enum sync_result rwmutex_rlock(gcsim_mutator *m, struct rwmutex *mu, gcsim_goroutine *g,
                                   struct sudog *s)
{
    if (mu->writing || mu->writers.first)
        return sync_block(m, mu, &mu->readers, g, GCSIM_WAIT_RWMUTEX_R, s);
    mu->reading++;
    return SYNC_DONE;
}

// Nobody holds it: the next writer does.
static void rwmutex_next_writer(gcsim_mutator *m, struct rwmutex *mu)
{
    mu->writing = mu->writers.first != NULL;
    if (mu->writing)
        wait_wake(m, mu->writers.first, true);
}

// After a writer all readers that wait have their turn, before the next writer.
LIB enum sync_result rwmutex_unlock(gcsim_mutator *m, struct rwmutex *mu)
{
    if (!mu->writing)
        return SYNC_NOT_LOCKED;
    mu->writing = 0;
    for (; mu->readers.first; mu->reading++)
        wait_wake(m, mu->readers.first, true);
    if (!mu->reading)
        rwmutex_next_writer(m, mu);
    return SYNC_DONE;
}

LIB enum sync_result rwmutex_runlock(gcsim_mutator *m, struct rwmutex *mu)
{
    if (mu->reading == 0)
        return SYNC_NOT_RLOCKED;
    if (--mu->reading == 0)
        rwmutex_next_writer(m, mu);
    return SYNC_DONE;
}

// --- WaitGroup ---------------------------------------------------------------------------------------------------

LIB enum sync_result waitgroup_add(gcsim_mutator *m, struct waitgroup *wg, int64_t n)
{
    int64_t count;
    if (__builtin_add_overflow(wg->count, n, &count) || count < 0)
        return SYNC_NEGATIVE;
    wg->count = count;
    while (count == 0 && wg->queue.first)
        wait_wake(m, wg->queue.first, true);
    return SYNC_DONE;
}

LIB enum sync_result waitgroup_wait(gcsim_mutator *m, struct waitgroup *wg, gcsim_goroutine *g,
                                    struct sudog *s)
{
    return wg->count ? sync_block(m, wg, &wg->queue, g, GCSIM_WAIT_WAITGROUP, s) : SYNC_DONE;
}

// --- Cond --------------------------------------------------------------------------------------------------------

LIB enum sync_result cond_wait(gcsim_mutator *m, struct cond *c, gcsim_goroutine *g,
                               struct sudog *s)
{
    enum sync_result result = mutex_unlock(m, c->lock);
    return result == SYNC_DONE ? sync_block(m, c, &c->queue, g, GCSIM_WAIT_COND, s) : result;
}

LIB bool cond_signal(gcsim_mutator *m, struct cond *c)
{
    struct sudog *s = c->queue.first;
    struct mutex *mu = c->lock;
    if (!s)
        return false;
    if (mu->locked) { // the same sudog waits for that now
        waitq_remove(m, s);
        sync_block(m, mu, &mu->queue, s->g, GCSIM_WAIT_MUTEX, s);
    } else {
        mu->locked = 1;
        wait_wake(m, s, true);
    }
    return true;
}

LIB const char *sync_error_text(enum sync_result result)
{
    switch (result) {
    case SYNC_NOT_LOCKED:
        return "sync: unlock of unlocked mutex";
    case SYNC_NOT_RLOCKED:
        return "sync: RUnlock of unlocked RWMutex";
    case SYNC_NEGATIVE:
        return "sync: negative WaitGroup counter";
    default:
        return NULL;
    }
}
