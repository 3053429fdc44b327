// instantiations: fast step
//
// Each write barrier: its actions exactly, by events and by what is grey afterwards; what it keeps and what it loses; stacks that are scanned
// later or again; and the mistakes that a heap can be given on purpose. torture.c runs the sound ones under load.
#include "scene.h"

static const char *const names[] = {
#define BARRIER(NAME, name, sound, rescan, actions) [GCSIM_BARRIER_##NAME] = name,
#include "gc/barrier.def"
#undef BARRIER
};

static const bool rescans[] = {
#define BARRIER(NAME, name, sound, rescan, actions) [GCSIM_BARRIER_##NAME] = rescan,
#include "gc/barrier.def"
#undef BARRIER
};

// What a store of `b` over `a` does, the mutator's stacks being black.
static const struct {
    const char *actions;
    bool old, new, source; // which of them is grey then
} expected[GCSIM_BARRIERS] = {
    [GCSIM_BARRIER_HYBRID] = {"shade old, shade new, store", true, true, false},
    [GCSIM_BARRIER_HYBRID_CONDITIONAL] = {"shade old, store", true, false, false},
    [GCSIM_BARRIER_DIJKSTRA] = {"shade new, store", false, true, false},
    [GCSIM_BARRIER_YUASA] = {"shade old, store", true, false, false},
    [GCSIM_BARRIER_STEELE] = {"store, shade source", false, false, true},
    [GCSIM_BARRIER_NONE] = {"store", false, false, false},
    [GCSIM_BARRIER_HYBRID_STORE_FIRST] = {"shade old, store, shade new", true, true, false},
    [GCSIM_BARRIER_HYBRID_OLD_LAST] = {"shade new, store, shade old", false, true, false},
    [GCSIM_BARRIER_YUASA_STORE_FIRST] = {"store, shade old", false, true, false},
    [GCSIM_BARRIER_DIJKSTRA_STORE_FIRST] = {"store, shade new", false, true, false},
};

// How often an object waits in the mutator's buffers.
static uint32_t times_grey(struct scene *s, const void *p)
{
    const struct gcwork *w = &mutator_of(s->m)->work;
    const struct workbuf *bufs[] = {w->current, w->spare};
    uint32_t n = 0;
    for (int b = 0; b < 2; b++)
        for (uint64_t i = 0; bufs[b] && i < bufs[b]->n; i++)
            n += bufs[b]->objects[i] == p;
    return n;
}

// Events of stores since number `from`, as "a, b, c"; returns how many events there are.
static uint64_t actions_since(struct scene *s, uint64_t from, char *out)
{
    static gcsim_event events[1 << 12];
    uint64_t n = API->events(s->heap, events, 1 << 12);
    *out = 0;
    for (uint64_t i = from; i < n; i++) {
        uint32_t kind = events[i].kind;
        if (kind == EVENT_STORE || kind == EVENT_SHADE_OLD || kind == EVENT_SHADE_NEW ||
            kind == EVENT_SHADE_SOURCE)
            sprintf(out + strlen(out), "%s%s", *out ? ", " : "", API->event_name(kind));
    }
    return n;
}

// --- the actions -------------------------------------------------------------------------------------------------

// Two nodes that nothing leads to, so that only a barrier makes them grey, one of them already in a field of the black root.
struct pair {
    void *a, *b;
};

static struct pair white_pair(struct scene *s)
{
    struct pair p = {gcsim_new(s->m, s->node), gcsim_new(s->m, s->node)};
    begin(s);
    mark_on(s);
    INVARIANT(has_mark(s, s->root->ptr) && !has_mark(s, p.a) && !has_mark(s, p.b));
    GCSIM_STORE(field(s->root->ptr, 0), p.a); // behind the barrier's back
    return p;
}

static void is_grey(struct scene *s, struct pair p, uint32_t barrier, bool old, bool new,
                    const char *what)
{
    barrier_flush(mutator_of(s->m));
    check(has_mark(s, p.a) == old && has_mark(s, p.b) == new &&
              times_grey(s, s->root->ptr) == expected[barrier].source,
          "%s, %s: what it shades is grey, and nothing else", names[barrier], what);
}

static void one_store(uint32_t barrier)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier});
    struct pair p = white_pair(&s);
    char actions[200];
    uint64_t from = actions_since(&s, 0, actions);
    gcsim_store(s.m, field(s.root->ptr, 0), p.b);
    actions_since(&s, from, actions);
    if (GCSIM_STEPS || barrier != GCSIM_BARRIER_HYBRID) // the inline path tells of nothing
        check(strcmp(actions, expected[barrier].actions) == 0, "%s: %s", names[barrier], actions);
    is_grey(&s, p, barrier, expected[barrier].old, expected[barrier].new, "store");
    check(*field(s.root->ptr, 0) == p.b, "%s: it is stored", names[barrier]);
    close_heap(s.m);
}

static void grey_stacks(void)
{
    struct scene s = open_scene((gcsim_options){.barrier = GCSIM_BARRIER_HYBRID_CONDITIONAL});
    struct pair p = white_pair(&s);
    mutator_of(s.m)->stacks_grey = true;
    gcsim_store(s.m, field(s.root->ptr, 0), p.b);
    is_grey(&s, p, GCSIM_BARRIER_HYBRID_CONDITIONAL, true, true, "while the stacks are grey");
    close_heap(s.m);
}

static void one_copy(uint32_t barrier)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier});
    struct pair p = white_pair(&s);
    void *source[8] = {p.b, NULL, p.b};
    API->copy(s.m, s.node, s.root->ptr, source, 1);
    check(memcmp(s.root->ptr, source, sizeof source) == 0, "%s: it is copied", names[barrier]);
    is_grey(&s, p, barrier, expected[barrier].old, expected[barrier].new, "copy");
    close_heap(s.m);
}

static void one_clear(uint32_t barrier)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier});
    struct pair p = white_pair(&s);
    API->clear(s.m, s.node, s.root->ptr, 1);
    check(!*field(s.root->ptr, 0), "%s: it is cleared", names[barrier]);
    is_grey(&s, p, barrier, expected[barrier].old, false, "clear");
    close_heap(s.m);
}

// A root has no object around it that could be scanned again: what is stored is shaded.
static void one_root(uint32_t barrier, bool global)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier});
    gcsim_global *g = API->global_new(s.m, 0);
    struct pair p = white_pair(&s);
    void **slot = global ? &g->words[0] : &s.root->ptr;
    void *object = s.root->ptr;
    GCSIM_STORE(slot, p.a);
    if (global)
        gcsim_store(s.m, slot, p.b);
    else
        barrier_root(mutator_of(s.m), slot, p.b);
    barrier_flush(mutator_of(s.m));
    check(*slot == p.b && has_mark(&s, p.a) == expected[barrier].old &&
              has_mark(&s, p.b) == (expected[barrier].new || expected[barrier].source) &&
              !times_grey(&s, object),
          "%s: a store into a %s", names[barrier], global ? "global" : "handle");
    close_heap(s.m);
}

// Source again and again: it waits once.
static void steele_waits_once(void)
{
    struct scene s = open_scene((gcsim_options){.barrier = GCSIM_BARRIER_STEELE});
    struct pair p = white_pair(&s);
    void *white = gcsim_new(s.m, s.node);
    uint32_t index = span_index(span_of(s.h, white), white);
    span_of(s.h, white)->marks[index / 64] &= ~(1ull << index % 64);
    gcsim_store(s.m, field(white, 1), p.b);
    for (int i = 0; i < 5; i++)
        gcsim_store(s.m, field(s.root->ptr, i), p.b);
    check(times_grey(&s, s.root->ptr) == 1 && !times_grey(&s, white),
          "steele: a black source waits once, a white one is left to whoever marks it");
    mark_on(&s);
    check(has_mark(&s, p.b), "steele: the second scan finds what was stored");
    close_heap(s.m);
}

// --- what is kept ------------------------------------------------------------------------------------------------

static void keeps(struct scene *s, void *p, bool kept, const char *who, const char *what)
{
    bool alive = is_object(s->heap, p);
    check(alive == kept && (!kept || verifies(s->m)), "%s: %s is %s", who, what,
          kept ? "kept" : "lost, and the process goes on");
    close_heap(s->m);
}

// A black frame takes the pointer out of a white object.
static void into_frame(gcsim_options options, bool kept)
{
    struct scene s = open_scene(options);
    void *p = gcsim_new(s.m, s.node);
    gcsim_store(s.m, field(s.root->ptr, 0), p);
    begin(&s);
    frame(&s)[0] = *field(s.root->ptr, 0);
    gcsim_store(s.m, field(s.root->ptr, 0), NULL);
    end(&s);
    check(s.heap->gc.unsound || kept, "%s: only what is unsound loses", names[options.barrier]);
    uint64_t found = kept ? 0 : API->verify(s.m, NULL, 0);
    check(kept || found, "%s: verify says what was lost", names[options.barrier]);
    keeps(&s, p, kept, names[options.barrier],
          options.rescan_stacks == 2 ? "what a frame took (no second scan)" : "what a frame took");
}

static void made_while_marking(bool white)
{
    struct scene s = open_scene((gcsim_options){.allocate_white = white});
    begin(&s);
    mark_on(&s);
    void *p = frame(&s)[0] = gcsim_new(s.m, s.node);
    void *large = frame(&s)[1] =
        API->new_array(s.m, s.node, 1000); // a span of its own, marked in another place
    INVARIANT(p && large);
    end(&s);
    check(is_object(s.heap, large) == !white, "allocation %s: the large object",
          white ? "white" : "black");
    keeps(&s, p, !white, white ? "allocation white" : "allocation black",
          "what was made while marking");
}

static void stop_the_world(uint32_t barrier)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier, .stop_the_world = 1});
    void *p = gcsim_new(s.m, s.node), *garbage = gcsim_new(s.m, s.node);
    gcsim_store(s.m, field(s.root->ptr, 3), p);
    API->collect(s.m);
    API->collect(s.m);
    check(!is_object(s.heap, garbage), "%s: garbage goes", names[barrier]);
    keeps(&s, p, true, names[barrier], "with the world stopped what is reachable");
}

// --- stacks ------------------------------------------------------------------------------------------------------

#if GCSIM_STEPS
// The pointer goes from a frame that nobody has scanned into a black object, and leaves the frame.
static void out_of_frame(uint32_t barrier, bool kept)
{
    struct scene s = open_scene((gcsim_options){.barrier = barrier, .stacks = GCSIM_STACKS_LAST});
    void *p = frame(&s)[0] = gcsim_new(s.m, s.node);
    begin(&s);
    check(mutator_of(s.m)->stacks_grey && !has_mark(&s, p), "%s: stacks wait", names[barrier]);
    mark_on(&s);
    gcsim_store(s.m, field(s.root->ptr, 0), p);
    frame(&s)[0] = NULL;
    end(&s);
    keeps(&s, p, kept, names[barrier], "what a grey frame hid");
}

static uint64_t place_of(struct scene *s, uint32_t kind)
{
    static gcsim_event events[1 << 12];
    uint64_t n = API->events(s->heap, events, 1 << 12);
    for (uint64_t i = 0; i < n; i++)
        if (events[i].kind == kind)
            return i;
    return UINT64_MAX;
}

static void orders(void)
{
    for (uint32_t stacks = GCSIM_STACKS_FIRST; stacks <= GCSIM_STACKS_LAST; stacks++) {
        struct scene s = open_scene((gcsim_options){.stacks = stacks});
        void *p = frame(&s)[0] = gcsim_new(s.m, s.node);
        begin(&s);
        check(has_mark(&s, p) == (stacks == GCSIM_STACKS_FIRST), "stacks %u: when", stacks);
        end(&s);
        bool before = place_of(&s, EVENT_STACKS) < place_of(&s, EVENT_SCAN);
        check(before == (stacks == GCSIM_STACKS_FIRST), "stacks %u: before or behind all else",
              stacks);
        keeps(&s, p, true, "hybrid", "what a frame has");
    }
}

// A goroutine whose mutator is gone belongs to nobody: the first stop scans it. One that goes while its stacks are grey scans them itself.
static void owner_goes(bool while_marking)
{
    struct scene s = open_scene((gcsim_options){.stacks = GCSIM_STACKS_LAST});
    gcsim_status status;
    mut *other = API->mutator_attach(s.heap, &status);
    gcsim_enter(other);
    gcsim_goroutine *g = API->goroutine_new(other, 0);
    API->frame_push(other, g, s.node, 0);
    void *p = *(void **)gcsim_frame_slots(g, g->top) = gcsim_new(other, s.node);
    gcsim_leave(other);
    if (while_marking)
        begin(&s);
    API->mutator_detach(other);
    if (!while_marking) {
        check(API->mutator_attach(s.heap, &status) == other, "another mutator in its place");
        begin(&s);
    }
    check(has_mark(&s, p), "a goroutine whose mutator went %s marking is scanned",
          while_marking ? "while" : "before");
    *(void **)gcsim_frame_slots(g, g->top) = NULL;
    end(&s);
    keeps(&s, p, true, "hybrid", "what it had");
}

// The barrier comes on while the program runs: what a frame takes before that is lost, by every schedule in which it is quick enough.
static uint32_t explored(gcsim_options options)
{
    options.shade_entries = 1;
    gcsim_heap *heap = free_stage(options, 1, 1);
    gcsim_found found = explore_stage(heap, (gcsim_search){0});
    API->heap_destroy(heap);
    return found.verdict;
}
#endif

static void options_fit(void)
{
    gcsim_status status;
    const gcsim_options wrong[] = {{.barrier = GCSIM_BARRIERS}, {.stacks = GCSIM_STACKS_ORDERS},
                                   {.rescan_stacks = 3},        {.stacks = GCSIM_STACKS_LAST},
                                   {.late_barrier = 1},         {.preempt_barrier = 1}};
    for (int i = 0; i < 6; i++) {
        gcsim_options o = wrong[i];
        o.bytes = sizeof o;
        o.reserve_bytes = 64 << 20;
        gcsim_heap *heap = API->heap_create(&o, &status);
        check(i > 2 && GCSIM_STEPS ? heap != NULL : !heap && status == GCSIM_BAD_SIZE, "options %d",
              i);
        if (heap)
            API->heap_destroy(heap);
    }
}

int main(void)
{
    for (uint32_t b = 0; b < GCSIM_BARRIERS; b++) {
        one_store(b);
        one_copy(b);
        one_clear(b);
        one_root(b, true);
        one_root(b, false);
        stop_the_world(b);
        bool reads_frames = rescans[b];
        into_frame((gcsim_options){.barrier = b}, reads_frames || expected[b].old);
        into_frame((gcsim_options){.barrier = b, .rescan_stacks = 1}, true);
        into_frame((gcsim_options){.barrier = b, .rescan_stacks = 2}, expected[b].old);
    }
    into_frame((gcsim_options){.no_final_flush = 1}, false);
    grey_stacks();
    steele_waits_once();
    made_while_marking(false);
    made_while_marking(true);
    options_fit();
#if GCSIM_STEPS
    out_of_frame(GCSIM_BARRIER_HYBRID, true);
    out_of_frame(GCSIM_BARRIER_HYBRID_CONDITIONAL, true);
    out_of_frame(GCSIM_BARRIER_DIJKSTRA, true);
    out_of_frame(GCSIM_BARRIER_STEELE, true);
    out_of_frame(GCSIM_BARRIER_YUASA, false);
    out_of_frame(GCSIM_BARRIER_NONE, false);
    orders();
    owner_goes(false);
    owner_goes(true);
    check(explored((gcsim_options){0}) == GCSIM_SOUND &&
              explored((gcsim_options){.barrier = GCSIM_BARRIER_STEELE}) == GCSIM_SOUND,
          "every schedule of one mutator: hybrid and steele lose nothing");
    check(explored((gcsim_options){.late_barrier = 1}) == GCSIM_LOST,
          "a barrier that comes on late loses");
#endif
    return finish();
}
