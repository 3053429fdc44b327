"""What exercise.c has to pass. The random spans are other ones each time."""

import random
import re
from array import array

import pytest

from gcsim._learn.native import Died, compiled
from gcsim.learn import exact

# Calls what the student wrote. `what` 0: sweepgens and what came of them, in learn->data. 1: spans,
# the same. 2: a heap of our own is allocated from and collected, and each of its spans gets a twin
# that only the student's functions touch.
DRIVER = r"""
#include <stdlib.h>

struct span {
    uint64_t nelems, alloc_count, free_index, *alloc_bits, *mark_bits;
    uint32_t sweepgen, needzero;
};
enum fate { SPAN_FREE, SPAN_PARTIAL, SPAN_FULL, SPAN_ZOMBIE };
int acquire(struct span *s, uint32_t heap);
int uncache(struct span *s, uint32_t heap);
enum fate sweep(struct span *s, uint32_t heap, uint64_t *fresh, uint64_t *freed);
uint64_t next_free(struct span *s);

enum { WORDS = 16, TRIES = 3 };

static void sweepgens(uint64_t *data)
{
    for (uint64_t n = *data++, i = 0; i < n; i++, data += 4) {
        uint32_t heap = (uint32_t)data[0], own = (uint32_t)data[1];
        struct span s = {.sweepgen = own};
        const char *what = data[2] ? "uncache" : "acquire";
        learn_step(i + 1, "%s: the heap's sweepgen %u, the span's %u", what, heap, own);
        data[2] = (uint64_t)(data[2] ? uncache(&s, heap) : acquire(&s, heap));
        data[3] = s.sweepgen;
    }
}

// In: nelems, alloc_count, free_index, sweepgen of the heap, alloc bits, mark bits. Out: fate,
// freed, alloc_count, free_index, sweepgen, needzero, whether the bitmaps changed places and
// nothing in them, how many slots were handed out, then which, and the two counts once more.
static void spans(uint64_t *data)
{
    uint64_t n = *data++;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bits[3][WORDS] = {0};
        struct span s = {data[0], data[1], data[2], bits[0], bits[1], (uint32_t)data[3] - 1, 0};
        uint64_t words = (s.nelems + 63) / 64, freed = 0;
        memcpy(bits[0], data + 4, words * 8);
        memcpy(bits[1], data + 4 + words, words * 8);
        uint64_t *out = data + 4 + 2 * words;
        learn_step(i + 1, "sweep(...) of span %d", (int)i + 1);
        enum fate fate = sweep(&s, (uint32_t)data[3], bits[2], &freed);
        int same = fate == SPAN_ZOMBIE;
        int swapped = s.alloc_bits == bits[!same] && s.mark_bits == bits[same ? 1 : 2];
        for (uint64_t w = 0; w < WORDS; w++)
            swapped &= !bits[2][w] && bits[1][w] == (w < words ? data[4 + words + w] : 0) &&
                       bits[0][w] == (w < words ? data[4 + w] : 0);
        uint64_t told[8] = {(uint64_t)fate,
                            same ? 0 : freed,
                            s.alloc_count,
                            s.free_index,
                            (uint32_t)(s.sweepgen - (uint32_t)data[3]),
                            s.needzero,
                            (uint64_t)swapped,
                            0};
        memcpy(out, told, sizeof told);
        data = out + 8 + s.nelems + TRIES + 2;
        if (same)
            continue;
        for (uint64_t k = 0; k < s.nelems + TRIES; k++) {
            learn_step(i + 1, "next_free(...) of span %d, for the time %d", (int)i + 1, (int)k + 1);
            uint64_t slot = next_free(&s);
            out[8 + out[7]++] = slot;
            if (slot >= s.nelems && out[7] && k >= TRIES)
                break;
        }
        data[-2] = s.alloc_count;
        data[-1] = s.free_index;
    }
}

// ---- a heap, and its twin ----

enum { TYPES = 5, OBJECTS = 2000, TWINS = 4096, ROUNDS = 3 };
static const uint64_t SIZES[TYPES] = {48, 512, 1024, 8192, 40000};

struct twin {
    struct span s;
    uint64_t slot_bytes;
    int in_use;
};

struct scene {
    const gcsim_api *api;
    gcsim_mutator *m;
    gcsim_work *w;
    uint32_t sweepgen;
    struct twin twins[TWINS]; // by the page of the span
    gcsim_handle *objects[OBJECTS];
    uint64_t freed;
};

static int compare(struct scene *c)
{
    static uint8_t seen[TWINS];
    gcsim_span_info info[64];
    uint64_t cursor = 0, n;
    memset(seen, 0, sizeof seen);
    while ((n = c->api->spans(c->m, &cursor, info, 64)))
        for (uint64_t i = 0; i < n; i++) {
            if (info[i].state != GCSIM_SPAN_IN_USE)
                continue;
            struct twin *t = &c->twins[info[i].first_page];
            unsigned long long bytes = info[i].slot_bytes, want = info[i].allocated;
            seen[info[i].first_page] = 1;
            if (!t->in_use)
                return gcsim_work_fail(
                    c->w, "a span of %llu-byte slots has %llu objects: sweep(...) gave it back",
                    bytes, want);
            if (t->s.alloc_count != want)
                return gcsim_work_fail(c->w,
                                       "a span of %llu-byte slots: %llu in use, the heap has %llu",
                                       bytes, (unsigned long long)t->s.alloc_count, want);
        }
    for (int page = 0; page < TWINS; page++)
        if (c->twins[page].in_use && !seen[page])
            return gcsim_work_fail(
                c->w, "a span of %llu-byte slots went back to the heap's pages: sweep(...) kept it",
                (unsigned long long)c->twins[page].slot_bytes);
    return 0;
}

static uint64_t *bitmap(void) { return calloc(WORDS, 8); }

static int twin_of(struct scene *c, const gcsim_object *o)
{
    struct twin *t = &c->twins[o->span_page];
    gcsim_span_info info;
    uint64_t cursor = o->span_page;
    if (t->in_use)
        return 0;
    do
        if (!c->api->spans(c->m, &cursor, &info, 1))
            return gcsim_work_fail(c->w, "gcsim itself is wrong: no span");
    while (info.first_page != o->span_page);
    *t = (struct twin){
        {info.nelems, 0, 0, bitmap(), bitmap(), c->sweepgen, info.needzero}, info.slot_bytes, 1};
    return 0;
}

static int allocate(struct scene *c, const gcsim_type *type, gcsim_handle **object)
{
    gcsim_object o;
    void *p = gcsim_new(c->m, type);
    *object = c->api->handle_new(c->m, p);
    c->api->find_object(c->m->heap, p, &o);
    if (twin_of(c, &o))
        return 1;
    uint64_t slot = next_free(&c->twins[o.span_page].s);
    if (slot != o.index)
        return gcsim_work_fail(
            c->w, "a span of %llu-byte slots: the heap hands out slot %u, next_free(...) slot %llu",
            (unsigned long long)o.slot_bytes, o.index, (unsigned long long)slot);
    return 0;
}

static int collect(struct scene *c)
{
    for (int i = 0; i < OBJECTS; i++) {
        gcsim_object o;
        if (!c->objects[i] || c->api->find_object(c->m->heap, c->objects[i]->ptr, &o))
            continue;
        c->twins[o.span_page].s.mark_bits[o.index / 64] |= (uint64_t)1 << o.index % 64;
    }
    for (int page = 0; page < TWINS; page++) // some are cached when the cycle ends
        if (c->twins[page].in_use && gcsim_below(&c->w->random, 4) == 0)
            c->twins[page].s.sweepgen += 3;
    c->sweepgen += 2;
    c->api->collect(c->m);
    gcsim_cycle cycle;
    c->api->cycle_info(c->m->heap, 0, &cycle);
    uint64_t all = 0;
    for (int page = 0; page < TWINS; page++) {
        struct twin *t = &c->twins[page];
        if (!t->in_use)
            continue;
        int cached = t->s.sweepgen == c->sweepgen + 1;
        if ((cached ? uncache(&t->s, c->sweepgen) : acquire(&t->s, c->sweepgen)) != 1)
            return gcsim_work_fail(c->w, "%s(...): nobody sweeps the span",
                                   cached ? "uncache" : "acquire");
        uint64_t freed = 0, *old = t->s.alloc_bits;
        enum fate fate = sweep(&t->s, c->sweepgen, bitmap(), &freed);
        all += freed;
        if (fate == SPAN_ZOMBIE)
            return gcsim_work_fail(c->w, "SPAN_ZOMBIE of a span in which all marks are on objects");
        if (fate == SPAN_FREE)
            t->in_use = 0;
        if (t->s.alloc_bits != old)
            free(old);
    }
    if (all != cycle.freed_objects)
        return gcsim_work_fail(c->w, "%llu objects freed, the heap has freed %llu",
                               (unsigned long long)all, (unsigned long long)cycle.freed_objects);
    return compare(c);
}

static int beside_a_heap(const gcsim_api *api, gcsim_mutator *m, gcsim_work *w)
{
    struct scene *c = calloc(1, sizeof *c);
    const gcsim_type *types[TYPES];
    *c = (struct scene){.api = api, .m = m, .w = w, .sweepgen = 0xfffffffcu};
    for (int t = 0; t < TYPES; t++)
        types[t] = gcsim_work_bytes(api, m, "bytes", SIZES[t]);
    for (int round = 0; round < ROUNDS; round++) {
        learn_step((uint64_t)round + 1, "round %d: objects are allocated, dropped and collected",
                   round + 1);
        for (int i = 0; i < OBJECTS; i++) {
            if (c->objects[i] && gcsim_below(&w->random, 10) < 7) {
                api->handle_drop(m->heap, c->objects[i]);
                c->objects[i] = NULL;
            }
            // Large ones are few; and some spans are to lose all that they hold.
            int kind = i % 100 == 0 ? 4 : i % 20 == 0 ? 3 : i < 1000 ? 0 : i < 1600 ? 1 : 2;
            if (!c->objects[i] && gcsim_below(&w->random, 10) < 6 &&
                allocate(c, types[kind], &c->objects[i]))
                return 1;
        }
        if (collect(c))
            return 1;
    }
    return 0;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t *data = (void *)learn->data;
    if (w->params[0] == 0)
        sweepgens(data);
    else if (w->params[0] == 1)
        spans(data);
    return w->params[0] == 2 ? beside_a_heap(api, m, w) : 0;
}

static const gcsim_work_param params[] = {{"what", "", "see above", 0, 0, 2}};
GCSIM_WORKLOAD(.name = "sweep", .about = "sweeps", .run = run, GCSIM_PARAMS(params));
"""
FATES = ["SPAN_FREE", "SPAN_PARTIAL", "SPAN_FULL", "SPAN_ZOMBIE"]
TRIES = 3


def run(exercise, what, numbers=(), seed=1):
    done = compiled(exercise, DRIVER, flags=("-O1",)).run(
        data=array("Q", numbers).tobytes(), seed=seed, seconds=8, heap={"gogc": None}, what=what
    )
    if done.error:
        pytest.fail(done.error)
    return array("Q", done.data).tolist()


# ---- whose is a span? ----


def test_whose_a_span_is(exercise):
    """Two that sweep one span would hand out each slot twice: sweepgen says whose it is."""
    heaps = [8, 2, 0, 0xFFFFFFFE]
    cases = [(0, heap, d) for heap in heaps for d in (-2, -1, 0, 1, 3)]
    cases += [(1, heap, d) for heap in heaps for d in (1, 3)]
    told = run(exercise, 0, [len(cases), *(n for c in cases for n in asked(*c))])
    for i, (uncache, heap, d) in enumerate(cases):
        got, now = told[3 + 4 * i : 5 + 4 * i]
        name = "uncache" if uncache else "acquire"
        takes = d == (1 if uncache else -2)
        then = (-1 if takes else 0) if uncache else (-1 if takes else d)
        at = f"{name}, the heap's sweepgen {heap}, the span's {heap + d & 0xFFFFFFFF}"
        exact(got, int(takes), f"{at}: the result")
        exact(now, heap + then & 0xFFFFFFFF, f"{at}: the span's sweepgen afterwards")


def asked(uncache, heap, d):
    return heap, heap + d & 0xFFFFFFFF, uncache, 0


# ---- one span ----


class Span:
    """Its bits as lists: as the last sweep left them, and marks."""

    def __init__(self, allocated, marked, free_index, heap=6):
        self.allocated, self.marked, self.free_index = allocated, marked, free_index
        self.heap, self.nelems = heap, len(allocated)
        self.used = [i < free_index or a for i, a in enumerate(allocated)]

    def smaller(self, n):
        """Spans with n slots less."""
        return [self.without(i, i + n) for i in range(0, self.nelems, n) if self.nelems > n]

    def without(self, first, end):
        kept = (
            self.allocated[:first] + self.allocated[end:],
            self.marked[:first] + self.marked[end:],
        )
        gone = min(end, self.nelems, self.free_index) - min(first, self.free_index)
        return Span(*kept, self.free_index - gone, self.heap)

    def numbers(self):
        head = [self.nelems, sum(self.used), self.free_index, self.heap]
        return [*head, *words(self.allocated), *words(self.marked), *[0] * self.room]

    @property
    def room(self):
        return 8 + self.nelems + TRIES + 2

    def __str__(self):
        return (
            f"{self.nelems} slots, free_index {self.free_index}\n"
            f"alloc_bits {bits(self.allocated)}\nmark_bits  {bits(self.marked)}"
        )


def words(flags):
    return [sum(f << i for i, f in enumerate(flags[w : w + 64])) for w in range(0, len(flags), 64)]


def bits(flags):
    text = "".join("1" if flag else "." for flag in flags)
    return " ".join(text[i : i + 64] for i in range(0, len(text), 64))


def wrongs(exercise, spans):
    """What is wrong with each; None: nothing."""
    try:
        told = run(exercise, 1, [len(spans), *(n for s in spans for n in s.numbers())])
    except Died as died:
        if found := re.search(r"of span (\d+)", str(died)):
            raise Died(died.outcome, f"{died}\n{spans[int(found[1]) - 1]}", died.data) from None
        raise
    at, found = 1, []
    for span in spans:
        at += len(span.numbers())
        try:
            judge(span, told[at - span.room : at])
        except AssertionError as error:
            found.append(f"{error}\n{span}")
        else:
            found.append(None)
    return found


def judge(span, told):
    fate, freed, count, index, sweepgen, needzero, swapped, handed = told[:8]
    zombie = any(m and not u for m, u in zip(span.marked, span.used, strict=True))
    live, used = sum(span.marked), sum(span.used)
    name = "ZOMBIE" if zombie else "FREE" if not live else "FULL" if all(span.marked) else "PARTIAL"
    exact(dict(enumerate(FATES)).get(fate, str(fate)), f"SPAN_{name}", "sweep(...)")
    if zombie:
        exact([count, index, needzero], [used, span.free_index, 0], "count, index, needzero")
        exact(sweepgen, 2**32 - 1, "sweepgen of a span with a zombie, less the heap's")
        exact(bool(swapped), True, "a span with a zombie still has its bitmaps")
        return
    exact(freed, used - live, "freed")
    exact(count, live, "alloc_count after the sweep")
    exact(index, 0, "free_index after the sweep")
    exact(needzero, int(used > live), "needzero")
    exact(sweepgen, 0, "sweepgen after the sweep, less the heap's")
    what = "alloc_bits is the bitmap that marking wrote, mark_bits is `fresh`, none was written to"
    exact(bool(swapped), True, what)
    free = [i for i, m in enumerate(span.marked) if not m]
    n = max(len(free) + 1, TRIES + 1)
    slots = (free + [span.nelems] * n)[:n]
    for i, (got, want) in enumerate(zip(told[8 : 8 + handed], slots, strict=False)):
        exact(got, want, f"next_free(...), call {i + 1}")
    exact(told[-2:], [span.nelems, span.nelems], "alloc_count and free_index of a span used up")


def first_wrong(exercise, spans):
    found = zip(wrongs(exercise, spans), spans, strict=True)
    return next(((text, span) for text, span in found if text), None)


def check(exercise, spans):
    """All in one process; one that fails is made smaller while it does."""
    failing = first_wrong(exercise, spans)
    if failing is None:
        return
    for n in (512, 256, 64, 64, 8, 8, 1, 1):
        fewer = failing[1].smaller(n)
        if 0 < len(fewer) <= 100:
            failing = first_wrong(exercise, fewer) or failing
    pytest.fail(failing[0])


KNOWN = [
    # alloc_bits, mark_bits, free_index
    ("111", "101", 3),
    ("000", "101", 3),  # all were handed out since the last sweep
    ("001", "101", 1),
    ("110", "000", 2),
    ("111", "111", 0),
    ("000", "111", 3),
    ("1000", "1000", 1),
    ("0000", "0000", 0),
    ("0", "1", 1),
    ("110", "001", 2),  # a zombie
    ("0" * 64, "1" * 64, 64),
    ("1" * 64 + "0", "1" * 64 + "0", 0),
    ("0" * 130, "1" * 129 + "0", 129),
    ("1" * 64 + "0" * 64, "0" * 128, 64),
    ("0" * 128, "0" * 64 + "1" + "0" * 63, 64),  # another
]


def test_known_spans(exercise):
    """Sweeping costs 16 words for 1,024 objects, dead or alive, none of which is touched."""
    check(exercise, [Span(ones(a), ones(m), index) for a, m, index in KNOWN])


def ones(text):
    return [c == "1" for c in text]


def some_span(dice):
    nelems = dice.choice([1, 8, 63, 64, 65, 128, 200, 512, 1024])
    index = dice.choice([0, nelems, 64 * dice.randrange(nelems // 64 + 1), dice.randrange(nelems)])
    density, survival = dice.choice([0, 0.5, 1]), dice.choice([0, 0.5, 0.5, 1])
    allocated = [dice.random() < density for _ in range(nelems)]
    span = Span(allocated, [], index, dice.choice([0, 2, 6, 0xFFFFFFFE]))
    span.marked = [used and dice.random() < survival for used in span.used]
    if dice.random() < 0.2:
        span.marked[dice.randrange(nelems)] = True  # perhaps a zombie
    return span


@pytest.mark.gc_seeds(2)
def test_any_span(exercise, seed):
    """A slot that is counted wrong is lost for ever, or handed out while somebody uses it."""
    dice = random.Random(seed)
    check(exercise, [some_span(dice) for _ in range(80)])


@pytest.mark.gc_seeds(1)
def test_beside_a_heap(exercise, seed):
    """A program sees all this as HeapInuse, HeapObjects and the addresses that it gets."""
    run(exercise, 2, seed=seed)
