"""What exercise.c has to pass. The random graphs are other ones each time."""

import random
import re
from array import array

import pytest

from gcsim._learn.native import Died, compiled
from gcsim.learn import Graph

# Builds each graph in a heap, has it marked, then collects, which is what the marks are compared
# with. Graphs come as numbers in learn->data, texts of what is wrong go back there.
DRIVER = r"""
#include <pthread.h>
#include <stdlib.h>

enum { PAGE = 8192, ROOM = 253, TEXT = 160, STACK = 1 << 18, KINDS = 5 };
enum { NIL = -1, BELOW = -2, ABOVE = -3 };
struct span {
    char *base;
    uint64_t slot_bytes, nelems, *pointers, *marks;
};
struct heap {
    char *arena;
    uint64_t pages;
    struct span **spans;
};
struct workbuf {
    struct workbuf *next;
    uint64_t n;
    void *objects[ROOM];
};
struct guarded {
    struct workbuf buf;
    uint64_t guard;
};
uint64_t mark(const struct heap *heap, void *const *roots, size_t nroots);
struct workbuf *get_workbuf(void);
void put_workbuf(struct workbuf *buf);

static const uint64_t GUARD = 0x9d2c5680efc60000u;
static const struct kind {
    const char *name;
    uint64_t words, mask, ptr_words, at[64];
} KIND[KINDS] = {
    {"buffer", 384, 0, 0, {0}},          {"late", 6, 8, 4, {3}},
    {"pair", 2, 3, 2, {0, 1}},           {"mixed", 6, 37, 6, {0, 2, 5}},
    {"wide", 64, ~(uint64_t)0, 64, {0}},
};

static struct {
    uint64_t used, most, limit;
    int filled, overrun;
} bufs;

struct workbuf *get_workbuf(void)
{
    struct guarded *g = calloc(1, sizeof *g);
    memset(g->buf.objects, 0xa5, sizeof g->buf.objects);
    g->buf.next = (void *)(uintptr_t)0xa5a5a5a5a5a5a5a5u;
    g->guard = GUARD;
    if (++bufs.used > bufs.most)
        bufs.most = bufs.used;
    if (bufs.used > bufs.limit) {
        printf("%llu work buffers in use: are objects queued again and again?\n",
               (unsigned long long)bufs.used);
        abort();
    }
    return &g->buf;
}

void put_workbuf(struct workbuf *buf)
{
    struct guarded *g = (void *)buf;
    bufs.filled |= buf->n != 0;
    bufs.overrun |= g->guard != GUARD;
    bufs.used--;
    free(g);
}

// ---- one graph ----

struct scene {
    const gcsim_api *api;
    gcsim_mutator *m;
    const gcsim_type *types[KINDS];
    struct heap heap;
    struct span *spans;
    uint64_t nspans;
    void **roots;
    uint64_t nroots, bytes;
};

static struct span *span_at(struct scene *s, const void *p)
{
    return s->heap.spans[((const char *)p - s->heap.arena) / PAGE];
}

static void set(uint64_t *bits, uint64_t i) { bits[i / 64] |= (uint64_t)1 << i % 64; }

static int has_mark(struct scene *s, const char *p)
{
    const struct span *span = span_at(s, p);
    uint64_t i = (uint64_t)(p - span->base) / span->slot_bytes;
    return span->marks[i / 64] >> i % 64 & 1;
}

static uint64_t *guarded_bits(uint64_t n)
{
    uint64_t words = (n + 63) / 64, *bits = calloc(words + 2, 8);
    bits[0] = bits[words + 1] = GUARD;
    return bits + 1;
}

// The spans that hold objects, with bitmaps of their own.
static void look_at_spans(struct scene *s, char *const *objects, uint64_t n)
{
    gcsim_span_info info[64];
    uint64_t cursor = 0, got, room = 64;
    s->heap.spans = calloc(s->heap.pages + 64, sizeof *s->heap.spans);
    for (int i = 0; i < 64; i++) // behind the end: who asks is to crash
        s->heap.spans[s->heap.pages + (uint64_t)i] = (void *)(uintptr_t)0xa5a5a5a5a5a5a5a5u;
    s->spans = malloc(room * sizeof *s->spans);
    s->nspans = 0;
    while ((got = s->api->spans(s->m, &cursor, info, 64)))
        for (uint64_t i = 0; i < got; i++) {
            if (info[i].state != GCSIM_SPAN_IN_USE)
                continue;
            if (s->nspans == room)
                s->spans = realloc(s->spans, (room *= 2) * sizeof *s->spans);
            s->spans[s->nspans++] = (struct span){
                s->heap.arena + info[i].first_page * PAGE, info[i].slot_bytes, info[i].nelems,
                info[i].span_class & 1 ? NULL : calloc(info[i].npages * PAGE / 512, 8),
                guarded_bits(info[i].nelems)};
            for (uint64_t page = 0; page < info[i].npages; page++) // the number for now
                s->heap.spans[info[i].first_page + page] = (void *)(uintptr_t)s->nspans;
        }
    for (uint64_t page = 0; page < s->heap.pages; page++)
        if (s->heap.spans[page])
            s->heap.spans[page] = &s->spans[(uintptr_t)s->heap.spans[page] - 1];
    for (uint64_t i = 0; i < n; i++) {
        uint32_t offsets[64];
        gcsim_object o;
        s->api->find_object(s->m->heap, objects[i], &o);
        uint64_t k = s->api->pointer_slots(s->m->heap, &o, offsets, 64);
        struct span *span = span_at(s, objects[i]);
        while (k--)
            set(span->pointers, ((uint64_t)(objects[i] - span->base) + offsets[k]) / 8);
    }
}

static uint64_t sum_of(struct scene *s)
{
    uint64_t sum = 1;
    for (uint64_t i = 0; i < s->nspans; i++) {
        const uint64_t *words = (const void *)s->spans[i].base;
        for (uint64_t k = 0; k < s->spans[i].nelems * s->spans[i].slot_bytes / 8; k++)
            sum = (sum ^ words[k]) * 0x9e3779b97f4a7c15u;
    }
    return sum;
}

static void *on_a_small_stack(void *arg)
{
    struct scene *s = arg;
    s->bytes = mark(&s->heap, s->roots, s->nroots);
    return NULL;
}

static uint64_t named(char *text, const char *what, const uint64_t *which, uint64_t n,
                      const char *then)
{
    int at = snprintf(text, TEXT, "%s", what);
    for (uint64_t i = 0; i < n && i < 6; i++)
        at += snprintf(text + at, (size_t)(TEXT - at), "%s%llu", i ? ", " : " ",
                       (unsigned long long)which[i]);
    if (n > 6)
        at +=
            snprintf(text + at, (size_t)(TEXT - at), " and %llu more", (unsigned long long)(n - 6));
    snprintf(text + at, (size_t)(TEXT - at), "%s", then);
    return n;
}

static void compare(struct scene *s, gcsim_batch *batch, char *const *objects, uint64_t sum,
                    char *text)
{
    uint64_t n = batch->count, lost[6], kept[6], nlost = 0, nkept = 0, marked = 0, bits = 0;
    for (uint64_t i = 0; i < s->nspans; i++) {
        const struct span *span = &s->spans[i];
        uint64_t words = (span->nelems + 63) / 64;
        for (uint64_t k = 0; k < words; k++)
            bits += (uint64_t)__builtin_popcountll(span->marks[k]);
        if (span->marks[-1] != GUARD || span->marks[words] != GUARD) {
            snprintf(text, TEXT, "written beside the mark bits of a span of %llu slots",
                     (unsigned long long)span->nelems);
            return;
        }
    }
    if (sum && sum != sum_of(s)) {
        snprintf(text, TEXT, "objects were written to: marking only reads them");
        return;
    }
    s->api->collect(s->m);
    for (uint64_t i = 0; i < n; i++) {
        int alive = gcsim_batch_at(s->m, batch, i) != NULL, has = has_mark(s, objects[i]);
        marked += (uint64_t)has;
        if (alive && !has && nlost++ < 6)
            lost[nlost - 1] = i;
        if (!alive && has && nkept++ < 6)
            kept[nkept - 1] = i;
    }
    gcsim_cycle cycle;
    s->api->cycle_info(s->m->heap, 0, &cycle);
    if (nlost)
        named(text, "no mark on", lost, nlost,
              ", which the program can reach: the heap keeps it, you would free it");
    else if (nkept)
        named(text, "a mark on", kept, nkept, ", which no pointer leads to: the heap has freed it");
    else if (bits != marked)
        snprintf(text, TEXT, "%llu marks on slots that hold no object",
                 (unsigned long long)(bits - marked));
    else if (s->bytes != cycle.heap_marked)
        snprintf(text, TEXT, "mark(...) returned %llu, the heap has marked %llu bytes",
                 (unsigned long long)s->bytes, (unsigned long long)cycle.heap_marked);
    else if (bufs.overrun)
        snprintf(text, TEXT, "written behind the %d objects of a work buffer", ROOM);
    else if (bufs.filled)
        snprintf(text, TEXT, "a work buffer was given back that still had objects");
    else if (bufs.used)
        snprintf(text, TEXT, "%llu work buffers were not given back",
                 (unsigned long long)bufs.used);
    else if (bufs.most > n / ROOM + 2)
        snprintf(text, TEXT, "%llu work buffers at once for %llu objects: are some queued twice?",
                 (unsigned long long)bufs.most, (unsigned long long)n);
}

// Two numbers: an object, and how far into it.
static void *pointer(const struct scene *s, char *const *objects, const int32_t *p)
{
    char *end = s->heap.arena + s->heap.pages * PAGE;
    return p[0] == NIL     ? NULL
           : p[0] == BELOW ? s->heap.arena - 8
           : p[0] == ABOVE ? end + 8
                           : objects[p[0]] + p[1];
}

// g: objects, roots, then of each object its kind, the number of its pointers and these, then the
// roots.
static const int32_t *run_graph(struct scene *s, const int32_t *g, char *text)
{
    uint64_t n = (uint64_t)*g++, nroots = (uint64_t)*g++;
    const int32_t *given = g;
    uint8_t *kinds = malloc(n);
    for (uint64_t i = 0; i < n; i++, g += 2 + 2 * g[1])
        kinds[i] = (uint8_t)g[0];
    gcsim_build what = {n, s->types, KINDS, kinds, NULL, 1};
    gcsim_batch *batch = s->api->build(s->m, &what);
    char **objects = malloc(n * sizeof *objects);
    for (uint64_t i = 0; i < n; i++)
        objects[i] = gcsim_batch_at(s->m, batch, i);
    s->heap.arena = s->api->arena(s->m->heap, &s->heap.pages);
    s->heap.pages /= PAGE;
    for (uint64_t i = 0; i < n; i++, given += 2 + 2 * given[1]) {
        const struct kind *kind = &KIND[kinds[i]];
        for (uint64_t w = 0; w < kind->words; w++) // numbers that look like pointers
            if (!(w < 64 && kind->mask >> w & 1))
                ((char **)(void *)objects[i])[w] = objects[(i + w + 1) % n];
        for (int32_t k = 0; k < given[1]; k++) {
            uint64_t word = kind->words == 64 ? (uint64_t)k : kind->at[k];
            gcsim_store(s->m, objects[i] + 8 * word, pointer(s, objects, given + 2 + 2 * k));
        }
    }
    gcsim_handle **handles = malloc(nroots * sizeof *handles);
    s->roots = malloc(nroots * sizeof *s->roots);
    s->nroots = nroots;
    for (uint64_t i = 0; i < nroots; i++) {
        s->roots[i] = pointer(s, objects, g + 2 * i);
        handles[i] = s->api->handle_new(s->m, g[2 * i] < 0 ? NULL : s->roots[i]);
    }
    batch->strong = 0;
    look_at_spans(s, objects, n);
    uint64_t sum = n < 10000 ? sum_of(s) : 0;
    memset(&bufs, 0, sizeof bufs);
    bufs.limit = 8 * n / ROOM + 100;
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    pthread_create(&thread, &attr, on_a_small_stack, s);
    pthread_join(thread, NULL);
    compare(s, batch, objects, sum, text);
    for (uint64_t i = 0; i < nroots; i++)
        s->api->handle_drop(s->m->heap, handles[i]);
    s->api->batch_drop(s->m, batch);
    s->api->collect(s->m);
    for (uint64_t i = 0; i < s->nspans; i++) {
        free(s->spans[i].marks - 1);
        free(s->spans[i].pointers);
    }
    free(s->spans), free(s->heap.spans), free(s->roots), free(handles), free(objects), free(kinds);
    return g + 2 * nroots;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct scene s = {.api = api, .m = m};
    for (int k = 0; k < KINDS; k++)
        if (!(s.types[k] = gcsim_work_type(api, m, KIND[k].name, KIND[k].words, &KIND[k].mask,
                                           KIND[k].ptr_words)))
            return gcsim_work_no_memory(m, w);
    int64_t list = w->params[0];
    char *texts = (char *)learn->data;
    if (list) {
        int32_t *g = malloc((4 + 6 * (size_t)list) * sizeof *g), *at = g;
        *at++ = (int32_t)list, *at++ = 1;
        for (int32_t i = 0; i < list; i++)
            *at++ = 1, *at++ = 2, *at++ = i + 1 < list ? i + 1 : NIL, *at++ = 0, *at++ = NIL,
            *at++ = 0;
        *at++ = (int32_t)list / 2, *at = 0;
        learn_step(1, "mark a list of %lld objects, from its middle", (long long)list);
        run_graph(&s, g, texts);
        free(g);
        return 0;
    }
    int32_t n;
    memcpy(&n, learn->data, sizeof n);
    const int32_t *g = (const void *)(learn->data + 8 + (size_t)n * TEXT);
    texts += 8;
    for (int32_t i = 0; i < n; i++) {
        learn_step((uint64_t)i + 1, "mark graph %d", (int)i + 1);
        g = run_graph(&s, g, texts + i * TEXT);
    }
    return 0;
}

static const gcsim_work_param params[] = {{"list", "", "nodes", 0, 0, 1 << 24}};
GCSIM_WORKLOAD(.name = "mark", .about = "marks", .run = run, GCSIM_PARAMS(params));
"""
TEXT = 160
SIZES = {0: 3072, 1: 48, 2: 16, 3: 48, 64: 512}  # bytes of an object by its number of pointers
NIL, BELOW, ABOVE = -1, -2, -3  # the last two: memory that is no heap's


def pointers(graph):
    """What each slot of each object really holds: an object and how far into it."""
    for i, slots in enumerate(graph.pointers):
        yield [to_memory(graph, to, 1013 * i + 337 * k) for k, to in enumerate(slots)]


def to_memory(graph, to, dice):
    if to is None:
        return (NIL, NIL, BELOW, ABOVE)[dice % 4], 0
    return to, dice % SIZES[len(graph.pointers[to])] if dice % 2 else 0


def roots(graph):
    """Roots are words of stacks and globals: nil and pointers to somewhere else are among them."""
    given = [to_memory(graph, to, 7 * i) for i, to in enumerate(graph.roots)]
    return [(NIL, 0), *given, (ABOVE, 0), (BELOW, 0)]


def numbers(graph):
    """A graph as the driver reads it."""
    told = [len(graph.pointers), len(graph.roots) + 3]
    for slots in pointers(graph):
        told += [list(SIZES).index(len(slots)), len(slots), *(n for p in slots for n in p)]
    return told + [n for p in roots(graph) for n in p]


def drawn(graph):
    """A graph as text, a line for each object."""

    def text(slots):
        names = {NIL: "nil", BELOW: "(below the heap)", ABOVE: "(above the heap)"}
        each = [names.get(to, f"{to}" + (f"+{at}" if at else "")) for to, at in slots]
        return ", ".join([*each[:8], f"{len(each) - 8} more"] if len(each) > 9 else each)

    lines = [f"roots: {text(roots(graph))}"]
    for i, slots in enumerate(pointers(graph)):
        lines.append(f"  {i} ({SIZES[len(slots)]} bytes) -> {text(slots) or '(no pointers)'}")
    return "\n".join([*lines[:20], f"  ... {len(lines)} lines"] if len(lines) > 21 else lines)


def wrongs(exercise, graphs):
    """What is wrong with the marks of each graph; "": nothing."""
    program = compiled(exercise, DRIVER, flags=("-O1",))
    data = array("i", [len(graphs), 0]).tobytes() + bytes(TEXT * len(graphs))
    data += array("i", [n for graph in graphs for n in numbers(graph)]).tobytes()
    try:
        done = program.run(data=data, heap={"gogc": None}, seconds=8)
    except Died as died:
        if step := re.search(r"in step (\d+)", str(died)):
            raise Died(
                died.outcome, f"{died}\n{drawn(graphs[int(step[1]) - 1])}", died.data
            ) from None
        raise
    assert done.error is None, done.error
    texts = (done.data[8 + i * TEXT :][:TEXT] for i in range(len(graphs)))
    return [text.split(b"\0")[0].decode(errors="replace") for text in texts]


def check(exercise, graphs):
    """All in one process, the smallest first; one that fails is made smaller while it does."""
    found = [(text, g) for text, g in zip(wrongs(exercise, graphs), graphs, strict=True) if text]
    for _ in range(6):
        if not found:
            return
        (text, graph), found = found[0], []
        if len(graph.pointers) <= 20:
            smaller = [*graph.smaller()][:60]
            results = zip(wrongs(exercise, smaller), smaller, strict=True)
            found = [(text, g) for text, g in results if text]
        if not found:
            break
    pytest.fail(f"{text}\n{drawn(graph)}")


def some_graph(dice, objects):
    """Objects of all four kinds; three slots in ten are nil."""
    sizes = [dice.choice([0, 1, 2, 2, 3, 3] + [64] * (objects > 8)) for _ in range(objects)]
    slots = [
        tuple(None if dice.random() < 0.3 else dice.randrange(objects) for _ in range(size))
        for size in sizes
    ]
    return Graph(tuple(slots), tuple(dice.sample(range(objects), min(objects, dice.randrange(4)))))


SMALL = [
    Graph(((None, None),), ()),  # garbage
    Graph(((1, None), (2, None), (None, None)), (0,)),  # a list
    Graph(((1, 1), (0, None), (0, None)), (0,)),  # a cycle, and what only leads into it
    Graph(((2, 3), (3, 2), (None, None), (None, None)), (0, 1)),  # shared
    Graph(((None, None, 1), (), (None, None), (0, None)), (0,)),  # numbers that look like pointers
    Graph(((1, 2), (None, 3, 0), (), (None, None)), (0,)),  # three spans
]


def test_small_graphs(exercise):
    """The mark bit decides: an object without one is handed out again, whoever points to it."""
    check(exercise, SMALL)


@pytest.mark.gc_seeds(2)
def test_any_graph(exercise, seed):
    """Pointers lead into the middle of objects and out of the heap, numbers look like pointers."""
    dice = random.Random(seed)
    check(exercise, [some_graph(dice, 1 + i // 3) for i in range(60)])


def test_a_queue_that_grows(exercise):
    """Go's queue is a list of pieces of 2 KiB: it grows with what is grey, not with the heap."""
    tree = [tuple(range(64 * i + 1, 64 * i + 65)) for i in range(20)]
    last = [(*range(63 * i + 20, 63 * i + 83), i + 1) for i in range(19)]
    first = [(i + 1, *range(63 * i + 20, 63 * i + 83)) for i in range(19)]
    rest = [(None, None)] * 1280
    crowd = [tuple(range(64))] * 512  # all point to the same
    graphs = [(*tree, *rest[19:]), (*last, *rest), (*first, *rest), tuple(crowd)]
    check(exercise, [Graph(pointers, (0,)) for pointers in graphs])


def test_a_long_list(exercise):
    """Go marks on a stack of 16 KiB (proc.go: allocm): no list may be too long for it."""
    program = compiled(exercise, DRIVER, flags=("-O1",))
    done = program.run(data=bytes(TEXT), heap={"gogc": None}, seconds=8, list=1_000_000)
    wrong = done.error or done.data.split(b"\0")[0].decode(errors="replace")
    if wrong:
        pytest.fail(f"a list of 1,000,000 objects, the root in its middle: {wrong}")
