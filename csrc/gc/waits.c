#include "gc/waits.h"

static const char *name_of_heap_word(struct mheap *h, const uint32_t *word)
{
    struct gc *gc = &heap_of(h)->gc;
    const struct {
        const uint32_t *word;
        const char *name;
    } known[] = {
        {&gc->cycle_lock.holder, "the right to stop the world"},
        {&gc->mark_done_lock.holder, "an attempt at mark termination to end"},
        {&gc->ragged_lock.holder, "the lock of the ragged barrier"},
        {&gc->roots_lock.holder, "the roots' lock"},
        {&gc->specials_lock.holder, "the specials' lock"},
        {&gc->pace_lock.holder, "the pacer's lock"},
        {&gc->work.lock.holder, "the lock of the work buffers"},
        {&gc->work.news, "grey objects"},
        {&gc->workers.lock.holder, "the workers' lock"},
        {&gc->workers.news, "work"},
        {&gc->team.lock.holder, "the lock of the team"},
        {&gc->team.busy, "others to stop marking"},
        {&gc->processors.lock.holder, "the lock of the processors"},
        {&gc->assists.lock.holder, "the lock of the assists"},
        {&gc->ended, "the end of marking"},
        {&h->lock.holder, "the heap lock"},
        {&h->mutators_lock.holder, "the mutators' lock"},
        {&h->meta.lock.holder, "the lock of the heap's records"},
        {&h->types.lock.holder, "the types' lock"},
        {&h->stop, "the world to start"},
        {&h->sweeping, "others to sweep their last spans"},
        {&h->scavenger.in_transit, "pages on their way back to the system"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].word == word)
            return known[i].name;
    return NULL;
}

// No lock is taken: nobody runs, or the answer is only for a person.
CORE const char *wait_name(struct mheap *h, const uint32_t *word, char *buffer, size_t room)
{
    const char *name = name_of_heap_word(h, word);
    snprintf(buffer, room, "%s", name ? name : "an unknown word");
    for (struct mutator *m = h->mutators; m && !name; m = m->next) {
        const char *what = word == &m->pub.inside  ? "to leave"
                           : word == &m->parked    ? "to be paid its credit"
                           : word == &m->processor ? "to get a processor"
                                                   : NULL;
        if (what)
            snprintf(buffer, room, "mutator %u %s", (unsigned)m->pub.id, what);
    }
    return buffer;
}
