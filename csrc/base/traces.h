// The lines of GODEBUG's gctrace, gcpacertrace and scavtrace: what happened is noted where it happens, which costs a copy; the text is
// made by whoever takes it to its reader.
//
// Owns the queue of notes, in the history zone: no decision reads it. A note is taken in the order in which it was put, once: by
// trace_flush, which writes to the file descriptor that is the trace's sink, or by trace_take for a reader who asks
// (GCSIM_TRACE_KEEP). `lock` guards the queue and is held for a copy only; `writing` is held while a line is written, so that lines come
// out whole and in order; it is taken first. Nobody waits for it inside: a reader that does not read must not hold the world up.
#pragma once

#include "base/rt.h"
#include "gcsim/gcsim.h"

enum { TRACE_NOTES = 64 };

enum trace_line {
    TRACE_FORCED,     // the periodic cycle is about to start (proc.go:forcegchelper)
    TRACE_CYCLE,      // mgc.go:gcMarkTermination
    TRACE_MARK_START, // mgcpacer.go:startCycle
    TRACE_MARK_END,   // mgcpacer.go:endCycle
    TRACE_SWEPT,      // mgcsweep.go:activeSweep.end
    TRACE_SCAV,       // mgcscavenge.go:printScavTrace
    TRACE_LINES
};

struct trace_scav {
    uint64_t background_bytes, eager_bytes; // released since the line before
    uint64_t released, in_use, retained;    // now
    uint64_t forced;
};

struct trace_note {
    uint32_t line;    // enum trace_line
    uint32_t missing; // notes of its trace that found the queue full, before this one
    union {
        gcsim_cycle cycle;
        struct trace_scav scav;
    };
};

struct traces {
    struct rt_lock writing, lock;
    int32_t sink[GCSIM_TRACES]; // a file descriptor, or GCSIM_TRACE_OFF, GCSIM_TRACE_KEEP
    int32_t
        error[GCSIM_TRACES]; // errno of the write that failed and switched the trace off; 0 = none
    uint32_t missing[GCSIM_TRACES];
    uint32_t kept;
    struct trace_note notes[TRACE_NOTES];
};

CORE void trace_init(struct traces *t);
CORE_INLINE bool trace_wanted(const struct traces *t, gcsim_trace kind)
{
    return GCSIM_LOAD(&t->sink[kind]) != GCSIM_TRACE_OFF;
}
// Nothing if the trace is off. `of`: the gcsim_cycle, read word by word, or struct trace_scav of the line; NULL for TRACE_FORCED.
CORE void trace_put(struct traces *t, struct rt *rt, enum trace_line line, const void *of);
// Write what waits for a file descriptor. The caller is outside and holds no lock.
CORE void trace_flush(struct traces *t, struct rt *rt);
// The next line that is kept, with its newline and a 0: its length, and its trace in *kind; 0 if there is none.
CORE uint64_t trace_take(struct traces *t, struct rt *rt, uint32_t *kind,
                         char out[GCSIM_TRACE_LINE_BYTES]);
// Another sink; what waits for the one before is written, or forgotten if it was kept. Waits for a write under way.
CORE void trace_set(struct traces *t, struct rt *rt, gcsim_trace kind, int32_t sink);
// The error that switched a trace off, reported once: errno, and its trace in *kind; 0 if there is none.
CORE int32_t trace_failed(struct traces *t, struct rt *rt, uint32_t *kind);
// In a forked child: what the parent noted is the parent's to tell.
CORE void trace_forget(struct traces *t);

// The text of a line, a pure function. machine: processors that there are, which bounds the CPU time of a stop (mgc.go:gcStart).
CORE uint64_t trace_text(char out[GCSIM_TRACE_LINE_BYTES], enum trace_line line, const void *of,
                         uint32_t machine);
