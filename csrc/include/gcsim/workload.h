// Workloads: programs in C that run on a gcsim heap, on k threads, each with a mutator of its own. This header is all that one needs:
//
//   #include <gcsim/workload.h>
//
//   static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
//   {
//       gcsim_work *w = arg;
//       void **slots = gcsim_work_slots(api, m, w, 2);      /* roots; see rule 2 */
//       const gcsim_type *bytes = gcsim_work_bytes(api, m, "blob", 64);
//       if (!slots || !bytes)
//           return gcsim_work_no_memory(m, w);
//       for (int64_t i = 0; i < w->params[0] && !gcsim_work_poll(m, w); i++)
//           if (!(slots[0] = gcsim_new(m, bytes)))
//               return gcsim_work_no_memory(m, w);
//       w->checksum = 1;
//       return 0;
//   }
//
//   static const gcsim_work_param params[] = {{"count", "", "objects per thread", 1000, 0, INT64_MAX}};
//   GCSIM_WORKLOAD(.name = "mine", .about = "allocates and forgets", .run = run, GCSIM_PARAMS(params));
//
// Rules. (1) The thread is inside the heap from the first instruction of its function to the last: nobody can collect unless it polls.
// Allocation and collect are polls; loops that do neither call gcsim_work_poll now and then. Who waits for anything but the heap leaves
// (gcsim_leave) and enters again. (2) A pointer into the heap that is kept across a poll lives in a frame slot, a handle, a global or another
// object. Frames move when the stack grows: slots are good until the next push. (3) When gcsim_work_poll says so, it returns soon.
// (4) In the step instantiation the threads run one after another; what they wait for from each other must not be needed there.
// (5) What a workload prints as its checksum depends on the seed, the parameters and the number of threads, not on who came first.
#ifndef GCSIM_WORKLOAD_H
#define GCSIM_WORKLOAD_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gcsim/gcsim.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GCSIM_WORKLOAD_VERSION 2

// What one thread of a run is given. The runner fills it; the thread writes checksum, phase and error.
typedef struct gcsim_work {
    uint32_t bytes;           // sizeof(gcsim_work) of who runs it
    uint32_t thread, threads; // 0 ... threads - 1
    uint32_t failed;          // in finish: threads that returned an error
    uint64_t seed;            // of the run
    uint64_t random;          // state of gcsim_random: this thread's, from seed and thread
    const int64_t *params;    // one value for each of gcsim_workload.params
    void *
        shared; // gcsim_workload.shared_bytes bytes, zeroed, one block for all threads of the run; no root
    gcsim_goroutine *g;   // this thread's frames; it ends with the thread
    const uint32_t *stop; // not zero: the run is to end (gcsim_work_poll reads it)
    const char *phase;    // what the thread is doing, for reports: set by gcsim_work_phase
    uint64_t checksum;    // the run's is the sum over prepare, all threads, finish
    char error[240];      // why it returned something else than 0: set by gcsim_work_fail
    void (*sleep)(gcsim_heap *heap, uint64_t ns); // gcsim_work_sleep, gcsim_work_yield
    void (*op)(
        gcsim_heap *heap); // in virtual time: a poll costs what one operation does; else NULL
} gcsim_work;

// The last parameter is the thread's gcsim_work. 0, or anything else for a failure, with w->error set.
typedef int gcsim_workload_fn(const gcsim_api *api, gcsim_mutator *m, void *work);

typedef struct gcsim_work_param {
    const char *name;              // an identifier
    const char *unit;              // "bytes", "ms", "" (a count) ...
    const char *about;             // one line
    int64_t standard, least, most; // the default, and the range that is accepted
} gcsim_work_param;

typedef struct gcsim_workload {
    uint32_t version; // GCSIM_WORKLOAD_VERSION
    uint32_t nparams;
    const char *name;
    const char *about; // one line
    const gcsim_work_param *params;
    uint64_t shared_bytes;
    // prepare runs once before the threads, finish once after them, also after a failure (if prepare returned 0); both may be NULL. They
    // have a gcsim_work of their own, whose frames live as long as the run, so what prepare puts there is a root meanwhile.
    gcsim_workload_fn *prepare, *run, *finish;
    // Costs in virtual time that are the workload's own (measured: make virtual ARGS=calibrate): what it does between two allocations or polls, and
    // reaching an object while marking, which depends on how its objects lie in memory. 0: nothing, and what base/costs.def says.
    uint64_t op_ps, shade_ps;
} gcsim_workload;

// The one definition of a workload's file: gcsim.workload looks for this name.
#define GCSIM_WORKLOAD(...)                                                                        \
    __attribute__((visibility("default")))                                                         \
    const gcsim_workload gcsim_workload_main = {.version = GCSIM_WORKLOAD_VERSION, __VA_ARGS__}
#define GCSIM_PARAMS(list) .params = (list), .nparams = sizeof(list) / sizeof *(list)

// --- what a thread says

// `text` lives as long as the program: a string constant.
static inline void gcsim_work_phase(gcsim_work *w, const char *text)
{
    GCSIM_STORE(&w->phase, text);
}

// Outside the heap for so long; the run's own clock where that is virtual. True: the run is to end.
static inline int gcsim_work_sleep(gcsim_mutator *m, const gcsim_work *w, uint64_t ns)
{
    gcsim_leave(m);
    w->sleep(m->heap, ns);
    gcsim_enter(m);
    return GCSIM_LOAD(w->stop) != 0;
}

// No poll: between two looks at what another thread is about to change.
static inline void gcsim_work_yield(gcsim_mutator *m, const gcsim_work *w) { w->sleep(m->heap, 0); }

// A poll. True: the run is to end.
static inline int gcsim_work_poll(gcsim_mutator *m, const gcsim_work *w)
{
    if (GCSIM_UNLIKELY(w->op))
        w->op(m->heap);
    gcsim_safepoint(m);
    return GCSIM_LOAD(w->stop) != 0;
}

__attribute__((format(printf, 2, 3))) static inline int gcsim_work_fail(gcsim_work *w,
                                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->error, sizeof w->error, format, args);
    va_end(args);
    return 1;
}

// The last allocation returned NULL.
static inline int gcsim_work_no_memory(gcsim_mutator *m, gcsim_work *w)
{
    return gcsim_work_fail(w, "%s", m->api->status_text(m->status));
}

// --- random numbers: SplitMix64

static inline uint64_t gcsim_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t gcsim_random(uint64_t *state)
{
    return gcsim_mix(*state += 0x9e3779b97f4a7c15u);
}

// 0 ... n - 1; n up to 2^32.
static inline uint64_t gcsim_below(uint64_t *state, uint64_t n)
{
    return ((gcsim_random(state) >> 32) * n) >> 32;
}

// --- types and frames

// The heap's type of this name and shape, made if it has none: a second run finds those of the first. `words` words, of which the first
// ptr_words may be pointers as `mask` says, the last of them surely. NULL with m->status.
static inline const gcsim_type *gcsim_work_type(const gcsim_api *api, gcsim_mutator *m,
                                                const char *name, uint64_t words,
                                                const uint64_t *mask, uint64_t ptr_words)
{
    gcsim_type_desc desc = {name, words * 8, ptr_words * 8, mask, 8, GCSIM_KIND_STRUCT};
    uint32_t id;
    m->status = api->name_intern(m->heap, name, &id);
    if (m->status != GCSIM_OK)
        return NULL;
    const gcsim_type *t;
    for (uint32_t i = 0; (t = api->type_by_id(m->heap, i)); i++)
        if (t->name == id && t->bytes == desc.bytes && t->ptr_bytes == desc.ptr_bytes &&
            (!ptr_words || memcmp(t->mask, mask, (ptr_words + 63) / 64 * 8) == 0))
            return t;
    return api->type_new(m->heap, &desc, &m->status);
}

// Words without pointers, at least so many bytes.
static inline const gcsim_type *gcsim_work_bytes(const gcsim_api *api, gcsim_mutator *m,
                                                 const char *name, uint64_t bytes)
{
    return gcsim_work_type(api, m, name, (bytes + 7) / 8, NULL, 0);
}

// A frame of `count` (1 to 64) pointer slots, all nil, on the thread's goroutine. NULL with m->status.
static inline void **gcsim_work_slots(const gcsim_api *api, gcsim_mutator *m, gcsim_work *w,
                                      uint64_t count)
{
    uint64_t mask = ~(uint64_t)0 >> (64 - count);
    const gcsim_type *t = gcsim_work_type(api, m, "frame", count, &mask, count);
    uint64_t at = t ? api->frame_push(m, w->g, t, t->name) : UINT64_MAX;
    return at == UINT64_MAX ? NULL : (void **)gcsim_frame_slots(w->g, at);
}

#ifdef __cplusplus
}
#endif
#endif
