// Every schedule of a stage, over the real code: depth first, one step forward, what it changed noted, and back.
//
// A state is expanded once; a state found again is left. A path ends where marking has ended: there each object that a root reaches must
// have its mark. What is found first need not be short: a shortest counterexample comes from searching again with rising
// bounds of depth, where a state found again at a smaller depth is expanded again.
#include "steps/explore.h"

#include "base/room.h"

#include <time.h>

CORE _Thread_local struct core_catcher core_catcher;

// --- the search --------------------------------------------------------------------------------------------------

static uint64_t clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

CORE uint64_t explore_ns(const struct explorer *e) { return clock_now() - e->begun_ns; }

// --- what must hold ----------------------------------------------------------------------------------------------

// Whoever ends it.
static bool marking_ends(struct explorer *e)
{
    for (uint32_t i = 0; i < e->all->n; i++)
        if (!e->all->each[i].ended && actor_point(e->all, i) == EVENT_MARK_DONE)
            return true;
    return false;
}

static bool nothing_is_lost(struct explorer *e)
{
    return invariant_nothing_lost(e->heap, !marking_ends(e), e->out->what, sizeof e->out->what);
}

static bool invariants_hold(struct explorer *e)
{
    uint32_t level = e->search->invariants;
    return !level || invariant_holds(e->heap, level, e->out->what, sizeof e->out->what);
}

// In the middle of an actor's step something broke that the core relies on. It stays where it is until its step is taken back.
static void note_death(void *arg, const char *file, int line, const char *what)
{
    struct explorer *e = arg;
    if (!e->heap->mheap.rt.current)
        return; // no step of an actor
    snprintf(e->out->what, sizeof e->out->what, "broken invariant at %s:%d: %s", file, line, what);
    e->died = true;
    rt_give_up(&e->heap->mheap.rt);
}

// --- steps -------------------------------------------------------------------------------------------------------

static bool path_ends(struct explorer *e)
{
    if (!e->search->whole_cycle)
        return marking_ends(e) || e->all->each[e->collector].ended;
    for (uint32_t i = 0; i < e->all->n; i++)
        if (!e->all->each[i].ended)
            return false;
    return true;
}

// The next untried step of the deepest level.
static bool next_step(struct explorer *e, gcsim_taken *step)
{
    struct level *level = &e->levels[e->depth];
    // The collector first: paths end soon.
    for (; level->actor < e->all->n; level->actor++, level->choice = 0) {
        uint32_t i = (level->actor + e->collector) % e->all->n;
        if (!actor_can_run(e->all, i))
            continue;
        uint32_t ways = actor_choices(e->all, i);
        if (level->choice >= (ways ? ways : 1))
            continue;
        *step = (gcsim_taken){(uint8_t)i, (uint8_t)level->choice++};
        return true;
    }
    return false;
}

CORE bool explore_push(struct explorer *e, gcsim_taken by, uint64_t mark)
{
    if (!room_for((void **)&e->levels, &e->room_levels, e->depth + 2, sizeof *e->levels))
        return false;
    e->levels[++e->depth] = (struct level){.mark = mark, .by = by};
    if (e->depth > e->out->depth)
        e->out->depth = e->depth;
    return true;
}

// Grey objects and pointers noted by the barrier, as sequences: in which buffers they lie, and what is left over behind their ends, makes no
// difference.
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    return mix(hash ^ 0x2d358dccaa6c78a5ull, word ^ 0x8bb84b93962eacc9ull);
}

static uint64_t hash_pointers(const struct mheap *h, uint64_t hash, void *const *p, uint64_t n)
{
    hash = hash_word(hash, n);
    for (uint64_t i = 0; i < n; i++)
        hash = hash_word(hash, arena_offset(h, p[i]));
    return hash;
}

static uint64_t hash_buffer(const struct mheap *h, uint64_t hash, const struct workbuf *b)
{
    return b ? hash_pointers(h, hash, b->objects, b->n) : hash_word(hash, UINT64_MAX);
}

static uint64_t hash_grey(const struct mheap *h, uint64_t seed)
{
    uint64_t hash = seed;
    for (struct mutator *m = h->mutators; m; m = m->next) {
        hash = hash_buffer(h, hash, m->work.current);
        hash = hash_buffer(h, hash, m->work.spare);
        hash = hash_pointers(h, hash, m->shade_buffer,
                             (uint64_t)(m->pub.shade_next - m->shade_buffer));
    }
    for (struct workbuf *b = heap_of((struct mheap *)(uintptr_t)h)->gc.work.full; b; b = b->next)
        hash = hash_buffer(h, hash, b);
    return hash;
}

CORE uint64_t explore_hash(struct explorer *e)
{
    return (undo_hash(e->undo) + hash_grey(&e->heap->mheap, e->search->seed)) | 1;
}

// Is this state to be expanded? It is noted.
static bool is_news(struct explorer *e)
{
    uint64_t hash = explore_hash(e);
    uint64_t at = seen_place(&e->seen, hash);
    if (e->seen.hashes[at]) {
        if (!e->seen.depths || e->seen.depths[at] <= e->depth + 1)
            return false;
        e->seen.depths[at] = (uint32_t)e->depth + 1;
        return true;
    }
    e->seen.hashes[at] = hash;
    if (e->seen.depths)
        e->seen.depths[at] = (uint32_t)e->depth + 1;
    e->out->states++;
    e->seen.n++;
    return true;
}

static void keep_counterexample(struct explorer *e, gcsim_taken last)
{
    e->out->steps = 0;
    for (uint64_t d = 1; d <= e->depth; d++, e->out->steps++)
        if (e->out->steps < e->out->room)
            e->out->taken[e->out->steps] = e->levels[d].by;
    if (e->out->steps < e->out->room)
        e->out->taken[e->out->steps] = last;
    e->out->steps++;
}

// 0: go on.
static uint32_t look_around(struct explorer *e)
{
    const gcsim_search *s = e->search;
    if (!seen_keep_room(&e->seen))
        return GCSIM_BOUND;
    if (s->max_states && e->out->states >= s->max_states)
        return GCSIM_BOUND;
    if (seen_bytes(&e->seen) + undo_bytes(e->undo) + e->room_levels * sizeof *e->levels >
        e->max_bytes)
        return GCSIM_BOUND;
    if (!s->progress || e->out->transitions - e->told < 65536)
        return 0;
    e->told = e->out->transitions;
    if (s->progress(s->progress_arg, e->out->states, e->out->transitions))
        return GCSIM_STOPPED;
    return 0;
}

static void leave_trail(struct explorer *e, gcsim_taken step)
{
    const gcsim_search *s = e->search;
    if (e->depth + 1 < s->trail_room) {
        s->trail[e->depth] = step;
        s->trail[e->depth + 1] = (gcsim_taken){255, 255};
    }
}

static uint32_t tear(struct explorer *e)
{
    e->torn = true;
    return GCSIM_BOUND;
}

enum { AGAIN = GCSIM_STOPPED + 1 };

// The step once more, from where it began. 0: it leads to the same state. If not, it asked something that no step back takes back.
static uint32_t take_twice(struct explorer *e, gcsim_taken step, uint64_t *mark)
{
    uint64_t hash = explore_hash(e);
    if (undo_audit(e->undo))
        return AGAIN;
    undo_back(e->undo, *mark);
    actor_step(e->all, step.actor, step.choice);
    *mark = undo_note(e->undo);
    if (*mark == UINT64_MAX)
        return tear(e);
    if (explore_hash(e) == hash)
        return 0;
    keep_counterexample(e, step);
    snprintf(e->out->what, sizeof e->out->what, "taken twice, this step leads to two states");
    return GCSIM_BROKEN;
}

// One step from the deepest level and, if what it leads to is new, a level more. 0: go on.
static uint32_t take_step(struct explorer *e, gcsim_taken step)
{
    leave_trail(e, step);
    actor_step(e->all, step.actor, step.choice);
    uint64_t mark = undo_note(e->undo);
    e->out->transitions++;
    if (mark == UINT64_MAX)
        return tear(e);
    if (e->died) {
        e->died = false;
        keep_counterexample(e, step);
        undo_back(e->undo, mark);
        return GCSIM_BROKEN;
    }
    uint32_t verdict = e->careful ? take_twice(e, step, &mark) : 0;
    if (verdict)
        return verdict;
    bool ends = path_ends(e), at_bound = !ends && e->bound && e->depth + 1 >= e->bound;
    e->out->paths += ends;
    e->cut |= at_bound;
    bool deeper = false;
    if ((ends || marking_ends(e)) && !nothing_is_lost(e))
        verdict = GCSIM_LOST;
    else if ((deeper = at_bound || is_news(e)) && !invariants_hold(e))
        verdict = GCSIM_BROKEN;
    if (verdict)
        keep_counterexample(e, step);
    else if (deeper && !ends && !at_bound)
        return explore_push(e, step, mark) ? look_around(e) : tear(e);
    undo_back(e->undo, mark);
    return verdict ? verdict : look_around(e);
}

// Nobody can run where somebody should.
static bool is_deadlock(struct explorer *e)
{
    struct level *level = &e->levels[e->depth];
    if (level->actor || level->choice)
        return false;
    for (uint32_t i = 0; i < e->all->n; i++)
        if (actor_can_run(e->all, i))
            return false;
    return true;
}

// How often everything is looked at: often at first.
static bool is_time_to_audit(const struct explorer *e)
{
    uint64_t transitions = e->out->transitions;
    return e->careful || transitions < 1024 || transitions % (transitions < 65536 ? 16 : 256) == 0;
}

// From the deepest level on.
static uint32_t search_on(struct explorer *e)
{
    uint32_t verdict = 0;
    while (!verdict) {
        gcsim_taken step;
        if (is_deadlock(e)) {
            keep_counterexample(e, (gcsim_taken){0});
            e->out->steps--;
            actors_say_waits(e->all, e->out->what, sizeof e->out->what);
            verdict = GCSIM_DEADLOCKED;
        } else if (next_step(e, &step)) {
            verdict = take_step(e, step);
            if (is_time_to_audit(e) && undo_audit(e->undo))
                return AGAIN;
        } else if (e->depth == 0) {
            break;
        } else {
            undo_back(e->undo, e->levels[e->depth--].mark);
        }
    }
    return undo_audit(e->undo) ? AGAIN : verdict;
}

static bool explorer_begin(struct explorer *e)
{
    undo_reset(e->undo);
    seen_free(&e->seen);
    e->out->states = e->out->transitions = e->out->paths = e->out->depth = e->told = 0;
    e->cut = e->torn = false;
    e->depth = 0;
    e->levels[0] = (struct level){0};
    return seen_make(&e->seen, 1 << 16, e->bound != 0);
}

// Before the search: which lines can change? A few random walks to their ends, everything looked at after each step. What they miss is found
// by the looks during the search.
static void warm_up(struct explorer *e)
{
    enum { WALKS = 32, STEPS = 150 };
    for (uint64_t walk = 0; walk < WALKS; walk++) {
        gcsim_schedule random = {.kind = walk % 2 ? GCSIM_SCHEDULE_PCT : GCSIM_SCHEDULE_RANDOM,
                                 .seed = walk,
                                 .changes = 3,
                                 .length = 40};
        gcsim_taken step;
        uint32_t end;
        for (int i = 0; i < STEPS && schedule_next(&random, e->all, &step, &end); i++) {
            actor_step(e->all, step.actor, step.choice);
            undo_audit(e->undo);
            if (e->died || path_ends(e))
                break;
        }
        e->died = false;
        undo_reset(e->undo);
    }
}

// A search from the beginning, or from where it was put aside; from the beginning again as long as lines turn out to be hot.
static uint32_t search_all(struct explorer *e)
{
    uint32_t verdict = AGAIN;
    if (e->loaded)
        verdict = search_on(e);
    e->loaded = false;
    while (verdict == AGAIN) {
        if (!explorer_begin(e))
            return tear(e);
        is_news(e);
        verdict = search_on(e);
    }
    return verdict;
}

static bool is_violation(uint32_t verdict)
{
    return verdict == GCSIM_LOST || verdict == GCSIM_BROKEN || verdict == GCSIM_DEADLOCKED;
}

// Its steps, taken from the beginning, lead there again. If not, a step back left something behind that no look at everything had noticed.
static bool is_confirmed(struct explorer *e, uint32_t verdict)
{
    uint64_t steps = e->out->steps < e->out->room ? e->out->steps : e->out->room;
    bool fits = true;
    for (uint64_t i = 0; fits && !e->died && i < steps; i++)
        fits = actor_step(e->all, e->out->taken[i].actor, e->out->taken[i].choice);
    bool again = fits && (verdict == GCSIM_LOST     ? !nothing_is_lost(e)
                          : verdict == GCSIM_BROKEN ? e->died || !invariants_hold(e)
                                                    : true);
    e->died = false;
    undo_audit(e->undo);
    undo_reset(e->undo);
    return again;
}

// The least bound under which a violation is still found. Each search is whole below its bound; one that finds none leaves the counterexample
// as it is. Returns its verdict.
static uint32_t find_shortest(struct explorer *e, uint32_t verdict)
{
    gcsim_found first = *e->out;
    uint32_t found = 0;
    for (e->bound = 2; !found && e->bound < first.steps; e->bound++) {
        found = search_all(e);
        first.transitions += e->out->transitions;
    }
    e->out->states = first.states;
    e->out->transitions = first.transitions;
    e->out->paths = first.paths;
    e->out->depth = first.depth;
    return is_violation(found) ? found : verdict;
}

static bool explorer_open(struct explorer *e)
{
    struct gc *gc = &e->heap->gc;
    e->undo = undo_create(&e->heap->mheap, e->search->whole_stacks, e->search->seed);
    if (!e->undo || !room_for((void **)&e->levels, &e->room_levels, 1, sizeof *e->levels))
        return false;
    // Counters that no decision reads, and what hash_grey hashes.
    undo_ignore(e->undo, &gc->pointers, 8);
    undo_ignore(e->undo, &gc->scan_work, 8);
    undo_ignore(e->undo, &gc->root_slots, 8);
    undo_ignore(e->undo, &gc->work.full, sizeof gc->work.full + sizeof gc->work.empty);
    undo_ignore(e->undo, &gc->work.news, sizeof gc->work.news);
    undo_ignore(e->undo, &gc->credit, 8);
    for (struct mutator *m = e->heap->mheap.mutators; m; m = m->next) {
        undo_ignore(e->undo, &m->work, sizeof m->work);
        undo_ignore(e->undo, m->shade_buffer, sizeof m->shade_buffer);
    }
    return true;
}

static void explorer_close(struct explorer *e)
{
    seen_free(&e->seen);
    undo_destroy(e->undo);
    free(e->levels);
}

// Where it stopped before, if it comes from there.
static gcsim_status take_up(struct explorer *e)
{
    if (!e->search->load)
        return GCSIM_OK;
    if (!explorer_begin(e))
        return GCSIM_NO_MEMORY;
    e->loaded = true;
    return resume_load(e);
}

static void put_aside(struct explorer *e, uint32_t verdict)
{
    bool stopped = verdict == GCSIM_STOPPED || verdict == GCSIM_BOUND;
    e->out->saved = stopped && !e->torn && e->search->save && resume_save(e);
}

CORE gcsim_status explore(gcsim_heap *heap, const gcsim_search *given, gcsim_found *out)
{
    gcsim_search search = {0};
    memcpy(&search, given, given->bytes < sizeof search ? given->bytes : sizeof search);
    struct explorer e = {.heap = heap, .all = actors_of(heap), .search = &search, .out = out};
    if (!e.all || !e.all->stage.given.bytes)
        return GCSIM_BAD_STATE;
    if (search.invariants && (search.points || heap->gc.mark_engine != GCSIM_MARK_FIELD))
        return GCSIM_BAD_STATE; // what is grey could not be told
    e.collector = e.all->n - 1;
    e.bound = search.max_depth;
    e.careful = search.careful != 0;
    e.max_bytes = search.max_bytes ? search.max_bytes : 1ull << 30;
    e.begun_ns = clock_now();
    if (search.points)
        steps_set_quiet(heap, ~search.points);
    heap->gc.exploring = true;
    if (!explorer_open(&e)) {
        heap->gc.exploring = false;
        explorer_close(&e);
        return GCSIM_NO_MEMORY;
    }
    core_catcher = (struct core_catcher){note_death, &e};
    warm_up(&e);
    gcsim_status status = take_up(&e);
    uint32_t verdict = status == GCSIM_OK ? search_all(&e) : 0;
    put_aside(&e, verdict);
    undo_reset(e.undo);
    if (is_violation(verdict) && !is_confirmed(&e, verdict)) {
        e.careful = true;
        verdict = search_all(&e);
        undo_reset(e.undo);
    }
    if (is_violation(verdict) && search.shortest)
        verdict = find_shortest(&e, verdict);
    undo_reset(e.undo);
    core_catcher = (struct core_catcher){0};
    heap->gc.exploring = false;
    out->verdict = verdict ? verdict : e.cut ? GCSIM_BOUND : GCSIM_SOUND;
    out->ns = explore_ns(&e);
    explorer_close(&e);
    return status;
}
