// instantiations: fast step
//
// Recordings: what was chosen and nothing else, in order, the newest of each thread, while others write and come and go.
#include "harness.h"

#include <pthread.h>

enum { ROOM = 4096, THREADS = 3, RECORDS = 1 << 18 };

static gcsim_event events[RECORDS];

static uint64_t count_kind(uint64_t n, uint32_t kind)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++)
        count += events[i].kind == kind;
    return count;
}

static bool in_order(uint64_t n, const gcsim_recorded *r)
{
    bool rising = true;
    for (uint64_t i = 0; i < n; i++)
        rising &= events[i].time_ns >= (i ? events[i - 1].time_ns : r->from_ns) &&
                  events[i].time_ns <= r->to_ns;
    return rising;
}

static uint64_t ended(mut *m, gcsim_recorded *r)
{
    INVARIANT(API->record_end(m, r) == GCSIM_OK && r->kept <= RECORDS);
    API->record_read(m->heap, events);
    return r->kept;
}

static void chosen_kinds(void)
{
    mut *m = open_heap(small_heap);
    gcsim_recorded r;
    const uint64_t kinds =
        EVENT_BIT(CYCLE_START) | EVENT_BIT(CYCLE_END) | EVENT_BIT(ATTACH) | EVENT_BIT(HEAP_GOAL);
    check(API->record_end(m, &r) == GCSIM_BAD_STATE, "nothing is being recorded");
    check(API->record_begin(m, 0, ROOM) == GCSIM_BAD_SIZE &&
              API->record_begin(m, ~0ull, ROOM) == GCSIM_BAD_SIZE &&
              API->record_begin(m, kinds, 0) == GCSIM_BAD_SIZE &&
              API->record_begin(m, kinds, 1ull << 63) == GCSIM_BAD_SIZE &&
              API->record_begin(m, kinds, 1ull << 30) == GCSIM_HEAP_FULL,
          "no kinds, kinds that there are not, no room, too much of it");
    check(verifies(m) && API->record_end(m, &r) == GCSIM_BAD_STATE,
          "leave the heap as it was, and nothing recorded");
    API->collect(m);
    check(API->record_begin(m, kinds, ROOM) == GCSIM_OK, "begins");
    for (int i = 0; i < 3; i++)
        API->collect(m);
    check(verifies(m), "the heap verifies");
    uint64_t n = ended(m, &r);
    check(count_kind(n, EVENT_CYCLE_START) == 3 && count_kind(n, EVENT_CYCLE_END) == 3 &&
              !count_kind(n, EVENT_WORLD_STOP) && r.dropped == 0,
          "three collections, and no stop");
    check(count_kind(n, EVENT_ATTACH) >= 1 && events[0].kind != EVENT_CYCLE_START &&
              count_kind(n, EVENT_HEAP_GOAL) == 1,
          "the mutators and the goal come first");
    check(in_order(n, &r), "in the order of times, all between beginning and end");
    uint64_t starts = 0;
    for (uint64_t i = 0; i < n; i++)
        if (events[i].kind == EVENT_CYCLE_START)
            starts += events[i].arg == 2 + starts && events[i].mutator == m->id;
    check(starts == 3, "cycles 2 to 4, begun by this mutator");
    API->collect(m);
    check(API->record_end(m, &r) == GCSIM_BAD_STATE && !API->events(m->heap, events, 10),
          "after its end nothing is recorded, and the heap's own ring is off as before");
    close_heap(m);
}

static void newest_stay(void)
{
    gcsim_options options = small_heap;
    options.events = 64; // and the heap's own ring goes on
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    gcsim_recorded r;
    INVARIANT(API->record_begin(m, EVENT_BIT(HANDLE_NEW), 10) == GCSIM_OK); // 16
    for (int i = 0; i < 50; i++)
        API->handle_new(m, i < 34 ? NULL : gcsim_new(m, node));
    uint64_t n = ended(m, &r);
    check(n == 16 && r.dropped == 34 && events[1].where && events[15].where > events[0].where,
          "of 50 records the 16 newest, 34 dropped");
    API->collect(m);
    check(API->events(m->heap, events, RECORDS) == 64 && count_kind(64, EVENT_MARK_DONE) == 1,
          "the heap's own ring has all kinds");
    INVARIANT(API->record_begin(m, EVENT_BIT(CYCLE_END), ROOM) == GCSIM_OK);
    API->collect(m);
    INVARIANT(API->record_begin(m, EVENT_BIT(CYCLE_START), ROOM) == GCSIM_OK);
    API->collect(m);
    n = ended(m, &r);
    check(n == 1 && events[0].kind == EVENT_CYCLE_START && verifies(m),
          "one that is begun meanwhile takes its place");
    close_heap(m);
}

// With a record for each object that is marked, all that lives is found, and by whom.
static void marks(void)
{
    gcsim_options options = small_heap;
    options.procs = 2;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    gcsim_handle *list = API->handle_new(m, NULL);
    for (int i = 0; i < 20000; i++) {
        void **fresh = gcsim_new(m, node);
        gcsim_store(m, fresh, list->ptr);
        gcsim_store(m, &list->ptr, fresh);
    }
    gcsim_recorded r;
    INVARIANT(API->record_begin(m, EVENT_BIT(SHADE) | EVENT_BIT(SCAN), RECORDS / 4) == GCSIM_OK);
    API->collect(m);
    uint64_t n = ended(m, &r);
    bool named = true;
    for (uint64_t i = 0; i < n; i++)
        named &= events[i].mutator != 0;
    check(count_kind(n, EVENT_SHADE) == 20000 && count_kind(n, EVENT_SCAN) == 20000 && named,
          "each object is shaded and scanned once, by somebody");
    close_heap(m);
}

// Each object with the site that its mutator names. Who says where beforehand is asked, and not passed by.
static void sites(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *wide = make_type(m->heap, "wide", 6000, 1);
    uint32_t names[3] = {0};
    uint64_t bytes;
    gcsim_recorded r;
    INVARIANT(API->name_intern(m->heap, "here", &names[1]) == GCSIM_OK &&
              API->name_intern(m->heap, "there", &names[2]) == GCSIM_OK);
    gcsim_new(m, node); // a window is there, which a recording gives back
    check(!API->wants_site(m, node, 1), "nobody asks for sites");
    INVARIANT(API->record_begin(m, EVENT_BIT(ALLOC_SITE), ROOM) == GCSIM_OK);
    check(API->wants_site(m, node, 1) && API->wants_site(m, wide, 1) && !API->new_at_once(m, node),
          "while they are recorded each object's is asked for, also by the short way");
    char *made[300];
    for (int i = 0; i < 300; i++) {
        m->site = names[i % 3];
        made[i] = gcsim_new(m, i % 50 ? node : wide);
    }
    m->site = 0;
    uint64_t n = ended(m, &r);
    bool right = n == 300;
    for (uint64_t i = 0; i < n && right; i++)
        right = events[i].kind == EVENT_ALLOC_SITE && events[i].mutator == m->id &&
                events[i].arg == names[i % 3] &&
                API->arena(m->heap, &bytes) + events[i].where == made[i];
    check(right, "each object, small or large, has its place and its site");
    check(!API->wants_site(m, node, 1) && verifies(m), "and nobody asks any more");
    INVARIANT(API->record_begin(m, EVENT_BIT(ALLOC_TYPE), ROOM) == GCSIM_OK);
    check(!API->wants_site(m, node, 1), "types alone ask for no site");
    gcsim_new(m, node);
    n = ended(m, &r);
    check(n == 1 && events[0].kind == EVENT_ALLOC_TYPE && events[0].arg == node->id,
          "and are recorded without");
    const gcsim_type *bytes3 = make_bytes(m->heap, "bytes3", 3);
    INVARIANT(API->record_begin(m, EVENT_BIT(ALLOC_REQUEST), ROOM) == GCSIM_OK);
    gcsim_new(m, bytes3); // in a block of its own, or beside others
    gcsim_new(m, bytes3);
    gcsim_new(m, wide);
    API->new_array(m, node, 9);
    API->new_array(m, bytes3, 7);
    API->new_array(m, bytes3, 20000);
    static const uint64_t asked[] = {3, 3, 48000, 144, 21, 60000};
    n = ended(m, &r);
    right = n == 6;
    for (uint64_t i = 0; i < n && right; i++)
        right = events[i].kind == EVENT_ALLOC_REQUEST && events[i].arg == asked[i];
    check(right, "each object, tiny, small or large, has the bytes that were asked for");
    close_heap(m);
}

// --- others write meanwhile

static struct {
    gcsim_heap *heap;
    uint32_t stop;
} shared;

static void *work(void *arg)
{
    (void)arg;
    gcsim_status status;
    uint64_t rounds = 0;
    while (!__atomic_load_n(&shared.stop, __ATOMIC_ACQUIRE) || rounds < 3) {
        mut *m = API->mutator_attach(shared.heap, &status);
        gcsim_enter(m);
        const gcsim_type *node = API->type_by_id(shared.heap, 0);
        for (int i = 0; i < 3000; i++)
            gcsim_new(m, node);
        if (rounds++ % 8 == 0)
            API->collect(m);
        gcsim_leave(m);
        API->mutator_detach(m);
    }
    return NULL;
}

static void others_write(void)
{
    mut *m = open_heap(small_heap);
    make_type(m->heap, "node", 2, 1);
    shared.heap = m->heap;
    __atomic_store_n(&shared.stop, 0, __ATOMIC_RELEASE);
    gcsim_leave(m);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    bool whole = true, ordered = true;
    uint64_t all = 0;
    for (int round = 0; round < 40; round++) {
        gcsim_recorded r;
        gcsim_enter(m);
        INVARIANT(API->record_begin(m, ALL_EVENTS, 256 << round % 4) == GCSIM_OK);
        for (int i = 0; i < 20; i++)
            API->safepoint(m);
        API->collect(m);
        uint64_t n = ended(m, &r);
        gcsim_leave(m);
        for (uint64_t i = 0; i < n; i++)
            whole &= events[i].kind < EVENT_KINDS && events[i].mutator <= 1u << 20 &&
                     (events[i].kind != EVENT_WINDOW ||
                      (events[i].arg <= 64 && events[i].arg && events[i].mutator));
        ordered &= in_order(n, &r);
        all += n;
    }
    __atomic_store_n(&shared.stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    gcsim_enter(m);
    check(whole && ordered && all > 40, "no record is torn or out of order while others write");
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

int main(void)
{
    chosen_kinds();
    newest_stay();
    marks();
    sites();
    if (!GCSIM_STEPS)
        others_write();
    return finish();
}
