// Runs the parts of verify in order and keeps the report. What must hold is listed in invariants.def.
//
// The order matters: a part may follow the pointers that the parts before it have checked. When the structure itself is broken
// (regions, types, pages, spans, roots), the parts that come after are left out.
#include "watch/verify_parts.h"

#include "base/os.h"

#include <stdarg.h>

static const struct {
    const char *name, *statement;
} verify_rules[VERIFY_RULES] = {
    [RULE_NO_MEMORY] = {"no memory", "verify got no memory: what it says is not complete"},
#define RULE(number, NAME, name, statement) [number] = {name, statement},
#include "watch/invariants.def"
#undef RULE
};

CORE const char *verify_rule_name(uint32_t number)
{
    return number < VERIFY_RULES ? verify_rules[number].name : NULL;
}

CORE const char *verify_rule_statement(uint32_t number)
{
    return number < VERIFY_RULES ? verify_rules[number].statement : NULL;
}

// What later parts lean on when they follow pointers.
static bool is_structure(enum verify_rule rule)
{
    switch (rule) {
    case RULE_NO_MEMORY:
    case RULE_REGIONS:
    case RULE_TYPES:
    case RULE_PAGE_OWNER:
    case RULE_PAGE_TABLE:
    case RULE_SPAN_STATE:
    case RULE_GEOMETRY:
    case RULE_LARGE:
    case RULE_HEADER:
    case RULE_MUTATORS:
    case RULE_HANDLES:
    case RULE_GLOBALS:
    case RULE_FRAMES:
    case RULE_STACKS:
    case RULE_BATCHES:
    case RULE_SPECIALS:
    case RULE_READY:
        return true;
    default:
        return false;
    }
}

CORE void violation(struct verify *v, enum verify_rule rule, const char *format, ...)
{
    v->broken |= is_structure(rule);
    if (v->n < v->room) {
        gcsim_violation *to = &v->out[v->n];
        to->invariant = rule;
        int used = snprintf(to->message, sizeof to->message, "%s: ", verify_rules[rule].name);
        va_list args;
        va_start(args, format);
        vsnprintf(to->message + used, sizeof to->message - (size_t)used, format, args);
        va_end(args);
    }
    v->n++;
}

CORE void *verify_memory(struct verify *v, uint64_t bytes)
{
    void *p = os_fault() ? NULL : calloc(bytes ? bytes : 1, 1);
    if (!p)
        violation(v, RULE_NO_MEMORY, "%llu bytes", (ull)bytes);
    return p;
}

// Types and names may be made by threads that no stop waits for. In the step instantiation such a call cannot be half done.
static void verify_lock(struct mheap *h, bool lock)
{
#if GCSIM_STEPS
    (void)h, (void)lock;
#else
    if (lock) {
        rt_lock(&h->rt, &h->types.lock);
        rt_lock(&h->rt, &h->meta.lock);
    } else {
        rt_unlock(&h->rt, &h->meta.lock);
        rt_unlock(&h->rt, &h->types.lock);
    }
#endif
}

static void verify_all(struct verify *v)
{
    static void (*const parts[])(struct verify *) = {
        verify_records, verify_pages, verify_spans,    verify_lists,
        verify_numbers, verify_roots, verify_pointers,
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !v->broken; i++)
        parts[i](v);
}

static uint64_t verify_run(struct mheap *h, enum cycle_phase phase, bool marks,
                           gcsim_violation *out, uint64_t room)
{
    struct verify v = {.h = h, .phase = phase, .out = out, .room = room};
    uint64_t pages = h->grown_pages;
    verify_lock(h, true);
    char *by_page = verify_memory(&v, pages * 4);
    if (by_page) {
        v.listed = (uint8_t *)by_page;
        v.list_place = v.listed + pages;
        v.cached = v.list_place + pages;
        v.claimed = v.cached + pages;
        if (!marks)
            verify_all(&v);
        else
            verify_trace(&v);
    }
    free(by_page);
    verify_lock(h, false);
    return v.n;
}

CORE uint64_t verify_heap(struct mheap *h, gcsim_violation *out, uint64_t room)
{
    return verify_run(h, CYCLE_QUIET, false, out, room);
}

CORE uint64_t verify_marks(struct mheap *h, gcsim_violation *out, uint64_t room)
{
    return verify_run(h, CYCLE_MARKED, true, out, room);
}

static void die_of(const char *when, const gcsim_violation *first, uint64_t n)
{
    if (n == 0 || first->invariant == RULE_NO_MEMORY)
        return;
    fprintf(stderr, "gcsim: %s: %llu violations, the first of rule %u: %s\n", when, (ull)n,
            first->invariant, first->message);
    core_die(__FILE__, __LINE__, "the heap does not verify");
}

CORE void cycle_check_phase(struct mheap *h, enum cycle_phase phase)
{
    gcsim_violation first;
    die_of("at the edge of a cycle", &first, verify_run(h, phase, false, &first, 1));
    if (phase == CYCLE_MARKED)
        die_of("after marking", &first, verify_run(h, phase, true, &first, 1));
}
