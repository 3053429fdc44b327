#include "lib/wait.h"

#include "lib/timer.h"

LIB struct sudog *wait_prepare(gcsim_mutator *m, const gcsim_type *sudog, uint32_t n)
{
    struct sudog *first = gcsim_new(m, sudog);
    gcsim_handle *root = first && n > 1 ? m->api->handle_new(m, first) : NULL;
    if (!first || n == 1)
        return first;
    for (uint32_t i = 1; root && i < n; i++) {
        struct sudog *s = gcsim_new(m, sudog);
        if (!s) {
            gcsim_status status = m->status;
            m->api->handle_drop(m->heap, root);
            m->status = status;
            return NULL;
        }
        gcsim_store(m, &s->wait.link, first->wait.link);
        gcsim_store(m, &first->wait.link, s);
    }
    if (!root)
        return NULL;
    m->api->handle_drop(m->heap, root);
    return first;
}

LIB void waitq_push(gcsim_mutator *m, struct waitq *q, struct sudog *s)
{
    s->queue = q;
    gcsim_store(m, &s->before, q->last);
    gcsim_store(m, q->last ? &q->last->next : &q->first, s);
    gcsim_store(m, &q->last, s);
}

LIB void waitq_remove(gcsim_mutator *m, struct sudog *s)
{
    struct waitq *q = s->queue;
    if (!q)
        return;
    gcsim_store(m, s->before ? &s->before->next : &q->first, s->next);
    gcsim_store(m, s->next ? &s->next->before : &q->last, s->before);
    gcsim_store(m, &s->next, NULL);
    gcsim_store(m, &s->before, NULL);
    s->queue = NULL;
}

// All that g waits for forgets it. What woke it keeps its value only.
static void leave_all(gcsim_mutator *m, gcsim_goroutine *g)
{
    for (struct sudog *s = (struct sudog *)g->waiting, *next; s; s = next) {
        next = (struct sudog *)s->wait.link;
        waitq_remove(m, s);
        if (s->timed)
            timer_left(m, s);
        gcsim_store(m, &s->wait.object, NULL);
        gcsim_store(m, &s->wait.link, NULL);
    }
}

LIB void wait_wake(gcsim_mutator *m, struct sudog *s, bool success)
{
    s->success = success;
    leave_all(m, s->g);
    m->api->goroutine_ready(m, s->g, s);
}

LIB void wait_cancel(gcsim_mutator *m, gcsim_goroutine *g)
{
    leave_all(m, g);
    m->api->goroutine_ready(m, g, NULL);
}
