#include "base/traces.h"

#include "base/events.h"
#include "base/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

// --- text --------------------------------------------------------------------------------------------------------

struct text {
    char *at, *end; // *end: room for the final 0
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at, (size_t)(t->end - t->at) + 1, format, args);
    va_end(args);
    INVARIANT(n >= 0 && n <= t->end - t->at);
    t->at += n;
}

// Times as in mgc.go:fmtNSAsMS: whole milliseconds from 10 on, else microseconds cut to two digits.
static void put_ms(struct text *t, uint64_t ns)
{
    uint64_t us = ns / 1000, unit = 1000;
    int decimals = 3;
    if (ns >= 10000000 || us == 0) {
        put(t, "%" PRIu64, ns / 1000000);
        return;
    }
    for (; us >= 100; us /= 10, unit /= 10)
        decimals--;
    put(t, "%" PRIu64, us / unit);
    if (decimals)
        put(t, ".%0*" PRIu64, decimals, us % unit);
}

// The shortest digits that read back as v, and its decimal exponent. Whatever the locale's decimal point is, it is no digit.
static int shortest_digits(double v, char digits[18], int *exponent)
{
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    int n = 0;
    char *s = text;
    for (; *s != 'e'; s++)
        if (*s >= '0' && *s <= '9')
            digits[n++] = *s;
    *exponent = (int)strtol(s + 1, NULL, 10);
    return n;
}

// As Go's print: strconv.AppendFloat(v, 'g', -1, 64), with an exponent below 1e-4 and from 1e6 on.
static void put_float(struct text *t, double v)
{
    char digits[18];
    int exponent, i = 0;
    if (isnan(v) || isinf(v) || v == 0) {
        put(t, "%s",
            isnan(v) ? "NaN"
            : v == 0 ? (signbit(v) ? "-0" : "0")
            : v > 0  ? "+Inf"
                     : "-Inf");
        return;
    }
    int n = shortest_digits(fabs(v), digits, &exponent);
    if (v < 0)
        put(t, "-");
    if (exponent < -4 || exponent >= 6) {
        put(t, "%c%s%.*se%+03d", digits[0], n > 1 ? "." : "", n - 1, digits + 1, exponent);
        return;
    }
    if (exponent < 0)
        put(t, "0.%.*s", -exponent - 1, "000");
    for (; i < n || i <= exponent; i++)
        put(t, "%s%c", i && i == exponent + 1 ? "." : "", i < n ? digits[i] : '0');
}

// --- the lines ---------------------------------------------------------------------------------------------------

#define MB(bytes)  ((uint64_t)(bytes) >> 20)
#define KIB(bytes) ((uint64_t)(bytes) >> 10)

// The three parts of a cycle on the wall: stop, mark, stop. A cycle with the world stopped has one stop, which is all three.
static void wall_times(const gcsim_cycle *c, uint64_t ns[3])
{
    uint64_t before = c->stop_ns + c->mark_ns;
    ns[0] = c->stopped ? c->stop_ns : c->pause1_ns;
    ns[1] = c->mark_ns;
    ns[2] = !c->stopped ? c->pause2_ns : c->pause2_ns > before ? c->pause2_ns - before : 0;
}

static void put_cycle(struct text *t, const gcsim_cycle *c, uint32_t machine)
{
    uint64_t ms = c->since_ns / 1000000, wall[3], procs = c->procs < machine ? c->procs : machine;
    wall_times(c, wall);
    put(t, "gc %" PRIu64 " @%" PRIu64 ".%03us %d%%: ", c->number, ms / 1000, (unsigned)(ms % 1000),
        (int)(c->gc_cpu_fraction * 100));
    const struct {
        const char *before;
        uint64_t ns;
    } times[] = {{"", wall[0]},       {"+", wall[1]},
                 {"+", wall[2]},      {" ms clock, ", procs * wall[0]},
                 {"+", c->assist_ns}, {"/", c->background_ns},
                 {"/", c->idle_ns},   {"+", procs * wall[2]}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        put(t, "%s", times[i].before);
        put_ms(t, times[i].ns);
    }
    put(t, " ms cpu, %" PRIu64 "->%" PRIu64 "->%" PRIu64 " MB, %" PRIu64 " MB goal, %" PRIu64,
        MB(c->heap_live), MB(c->heap_end), MB(c->heap_marked), MB(c->end_goal), MB(c->stack_work));
    put(t, " MB stacks, %" PRIu64 " MB globals, %" PRIu64 " P%s", MB(c->globals_scan), c->procs,
        c->trigger == GCSIM_TRIGGER_FORCED ? " (forced)" : "");
}

static void put_mark_start(struct text *t, const gcsim_cycle *c)
{
    put(t, "pacer: assist ratio=");
    put_float(t, c->assist_ratio);
    put(t, " (scan %" PRIu64 " MB in %" PRIu64 "->%" PRIu64 " MB) workers=%" PRIu64 "+",
        MB(c->heap_scan), MB(c->heap_live), MB(c->goal), c->dedicated_workers);
    put_float(t, c->fractional_goal);
}

static void put_mark_end(struct text *t, const gcsim_cycle *c)
{
    put(t,
        "pacer: %d%% CPU (25 exp.) for %" PRIu64 "+%" PRIu64 "+%" PRIu64 " B work (%" PRIu64
        " B exp.)",
        (int)(c->utilization * 100), c->scan_work, c->stack_work, c->globals_work,
        c->heap_scan_before + c->stack_scan + c->globals_scan);
    put(t, " in %" PRIu64 " B -> %" PRIu64 " B (\xe2\x88\x86goal %" PRId64 ", cons/mark ",
        c->heap_live, c->heap_end, (int64_t)(c->heap_end - c->end_goal));
    put_float(t, c->cons_mark);
    put(t, ")");
}

static void put_swept(struct text *t, const gcsim_cycle *c)
{
    uint64_t allocated = c->sweep_live > c->heap_marked ? c->sweep_live - c->heap_marked : 0;
    put(t,
        "pacer: sweep done at heap size %" PRIu64 "MB; allocated %" PRIu64
        "MB during sweep; swept %" PRIu64 " pages at ",
        MB(c->sweep_live), MB(allocated), c->pages_swept);
    put_float(t, c->sweep_ratio);
    put(t, " pages/byte");
}

static void put_scav(struct text *t, const struct trace_scav *s)
{
    put(t,
        "scav %" PRIu64 " KiB work (bg), %" PRIu64 " KiB work (eager), %" PRIu64
        " KiB now, %" PRIu64 "%% util%s",
        KIB(s->background_bytes), KIB(s->eager_bytes), KIB(s->released),
        s->retained ? s->in_use * 100 / s->retained : 0, s->forced ? " (forced)" : "");
}

static void put_line(struct text *t, enum trace_line line, const void *of, uint32_t machine)
{
    switch (line) {
    case TRACE_CYCLE:
        put_cycle(t, of, machine);
        break;
    case TRACE_MARK_START:
        put_mark_start(t, of);
        break;
    case TRACE_MARK_END:
        put_mark_end(t, of);
        break;
    case TRACE_SWEPT:
        put_swept(t, of);
        break;
    case TRACE_SCAV:
        put_scav(t, of);
        break;
    default:
        put(t, "GC forced");
    }
    put(t, "\n");
}

CORE uint64_t trace_text(char out[GCSIM_TRACE_LINE_BYTES], enum trace_line line, const void *of,
                         uint32_t machine)
{
    struct text t = {out, out + GCSIM_TRACE_LINE_BYTES - 1};
    put_line(&t, line, of, machine);
    return (uint64_t)(t.at - out);
}

// --- the queue ---------------------------------------------------------------------------------------------------

static gcsim_trace trace_of(uint32_t line)
{
    return line <= TRACE_CYCLE  ? GCSIM_TRACE_GC
           : line == TRACE_SCAV ? GCSIM_TRACE_SCAV
                                : GCSIM_TRACE_PACER;
}

CORE void trace_init(struct traces *t)
{
    for (int kind = 0; kind < GCSIM_TRACES; kind++)
        t->sink[kind] = GCSIM_TRACE_OFF;
}

CORE void trace_put(struct traces *t, struct rt *rt, enum trace_line line, const void *of)
{
    gcsim_trace kind = trace_of(line);
    if (!trace_wanted(t, kind))
        return;
    rt_lock(rt, &t->lock);
    if (t->kept == TRACE_NOTES) {
        t->missing[kind]++;
    } else {
        struct trace_note *note = &t->notes[t->kept];
        note->line = line;
        note->missing = t->missing[kind];
        t->missing[kind] = 0;
        if (of) // another thread that sweeps counts in it meanwhile
            copy_words(&note->cycle, of,
                       line == TRACE_SCAV ? sizeof note->scav : sizeof note->cycle);
        GCSIM_STORE(&t->kept, t->kept + 1);
    }
    rt_unlock(rt, &t->lock);
}

// The oldest note for a file descriptor, or the oldest that is kept for a reader. Its trace's sink; GCSIM_TRACE_OFF if there is none.
static int32_t take_note(struct traces *t, struct rt *rt, bool keep, struct trace_note *out)
{
    int32_t sink = GCSIM_TRACE_OFF;
    rt_lock(rt, &t->lock);
    for (uint32_t i = 0; i < t->kept; i++) {
        int32_t its = t->sink[trace_of(t->notes[i].line)];
        if (keep ? its != GCSIM_TRACE_KEEP : its < 0)
            continue;
        sink = its;
        *out = t->notes[i];
        GCSIM_STORE(&t->kept, t->kept - 1);
        memmove(&t->notes[i], &t->notes[i + 1], (t->kept - i) * sizeof *out);
        break;
    }
    rt_unlock(rt, &t->lock);
    return sink;
}

// A note as text, after what has to be said if notes were lost before it. There is room: no line is longer than 400 bytes.
static uint64_t note_text(char out[GCSIM_TRACE_LINE_BYTES], struct rt *rt,
                          const struct trace_note *note)
{
    struct text t = {out, out + GCSIM_TRACE_LINE_BYTES - 1};
    if (note->missing)
        put(&t, "gcsim: %u lines are missing here: they came faster than they were read\n",
            note->missing);
    put_line(&t, note->line, &note->cycle, rt_processors(rt));
    return (uint64_t)(t.at - out);
}

static void forget_kind(struct traces *t, gcsim_trace kind)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < t->kept; i++)
        if (trace_of(t->notes[i].line) != kind)
            t->notes[left++] = t->notes[i];
    GCSIM_STORE(&t->kept, left);
    t->missing[kind] = 0;
}

static void fail(struct traces *t, struct rt *rt, gcsim_trace kind, int error)
{
    rt_lock(rt, &t->lock);
    GCSIM_STORE(&t->error[kind], error);
    GCSIM_STORE(&t->sink[kind], GCSIM_TRACE_OFF);
    forget_kind(t, kind);
    rt_unlock(rt, &t->lock);
}

// Holder of `writing`.
static void write_all(struct traces *t, struct rt *rt)
{
    struct trace_note note;
    char line[GCSIM_TRACE_LINE_BYTES];
    for (int32_t fd; (fd = take_note(t, rt, false, &note)) >= 0;) {
        int error = os_write(fd, line, note_text(line, rt, &note));
        if (error)
            fail(t, rt, trace_of(note.line), error);
    }
}

static bool is_for_a_file(struct traces *t, struct rt *rt)
{
    bool found = false;
    rt_lock(rt, &t->lock);
    for (uint32_t i = 0; i < t->kept; i++)
        found |= t->sink[trace_of(t->notes[i].line)] >= 0;
    rt_unlock(rt, &t->lock);
    return found;
}

// Who finds another at it leaves: that one looks again after it has let go.
CORE void trace_flush(struct traces *t, struct rt *rt)
{
    while (GCSIM_LOAD(&t->kept) && is_for_a_file(t, rt) && rt_try_lock(rt, &t->writing)) {
        write_all(t, rt);
        rt_unlock(rt, &t->writing);
    }
}

CORE uint64_t trace_take(struct traces *t, struct rt *rt, uint32_t *kind,
                         char out[GCSIM_TRACE_LINE_BYTES])
{
    struct trace_note note;
    if (!GCSIM_LOAD(&t->kept) || take_note(t, rt, true, &note) == GCSIM_TRACE_OFF)
        return 0;
    *kind = trace_of(note.line);
    return note_text(out, rt, &note);
}

CORE void trace_set(struct traces *t, struct rt *rt, gcsim_trace kind, int32_t sink)
{
    rt_lock(rt, &t->writing);
    write_all(t, rt);
    rt_lock(rt, &t->lock);
    forget_kind(t, kind);
    GCSIM_STORE(&t->error[kind], 0);
    GCSIM_STORE(&t->sink[kind], sink < 0 && sink != GCSIM_TRACE_KEEP ? GCSIM_TRACE_OFF : sink);
    rt_unlock(rt, &t->lock);
    rt_unlock(rt, &t->writing);
}

CORE int32_t trace_failed(struct traces *t, struct rt *rt, uint32_t *kind)
{
    for (uint32_t k = 0; k < GCSIM_TRACES; k++)
        if (GCSIM_LOAD(&t->error[k])) {
            rt_lock(rt, &t->lock);
            int32_t error = t->error[k];
            GCSIM_STORE(&t->error[k], 0);
            rt_unlock(rt, &t->lock);
            *kind = k;
            return error;
        }
    return 0;
}

CORE void trace_forget(struct traces *t)
{
    t->kept = 0;
    memset(t->missing, 0, sizeof t->missing);
}
