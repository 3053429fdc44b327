// Running a workload: on k threads, watched by whoever waits for it. Over the public API and pthreads alone.
//
//   run_new -> run_start -> run_wait ... (run_ask_to_stop, run_stuck) -> run_free
//
// A run has a thread of its own, the leader: it prepares, starts the others, adds up the heap's cycles while they work, and finishes. In the
// step instantiation the leader runs the threads' functions itself, one after another. All its threads block every signal.
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "gcsim/workload.h"

// The built-in ones, in alphabetical order; NULL behind the last.
const gcsim_workload *gcsim_workload_builtin(uint32_t i);

struct run_thread {
    struct run *run;
    gcsim_mutator *m; // while the function runs; under run->lock
    pthread_t id;
    int result;          // of the function
    gcsim_status status; // of what the runner did for it: attaching, its goroutine
    uint64_t cpu_ns;
    uint64_t held_since_ns; // run_stuck: since when somebody waits for it; 0: nobody does
    bool reported;
    gcsim_work work;
};

// What the collector did meanwhile, from the records of its cycles.
struct run_totals {
    uint64_t cycles,
        unseen; // unseen: their records were overwritten before they were read, so they are in no sum
    uint64_t alloc_bytes;
    uint64_t peak_bytes; // highest heap_live seen: at the ends of marking and at the end of the run
    uint64_t worst_stop_ns, total_stop_ns;
    uint64_t mark_cpu_ns,
        assist_cpu_ns; // mark: workers of all kinds; what marked while the world was stopped
};

struct run {
    const gcsim_workload *workload;
    const gcsim_api *api;
    gcsim_heap *heap;
    uint32_t threads;
    uint32_t stop;          // asked to
    uint64_t stop_asked_ns; // when
    uint64_t seed, checksum;
    uint64_t wall_ns, cpu_ns; // of the whole process
    gcsim_status status;      // of the run itself: threads, memory
    uint64_t first_cycle, seen_cycle, first_alloc;
    struct run_totals totals;
    int64_t *params;
    void *shared;
    struct run_thread leader; // prepare and finish
    struct run_thread *each;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t running;    // threads that have not ended
    bool started, ended; // the leader
    bool is_virtual;     // its threads are coroutines, its times are the heap's
};

struct run_stuck {
    uint32_t thread;
    const char *phase;
    double seconds;
};

// NULL: no memory. `params` are workload->nparams values.
struct run *run_new(const gcsim_workload *workload, const gcsim_api *api, gcsim_heap *heap,
                    uint32_t threads, uint64_t seed, const int64_t *params);
// GCSIM_NO_MEMORY: the system gives no thread; the run can be freed.
gcsim_status run_start(struct run *r);
// True when the run has ended; false after so many ns.
bool run_wait(struct run *r, uint64_t ns);
void run_ask_to_stop(struct run *r);
// A thread that holds others up for longer than limit_ns: the world waits to be stopped, or the run was asked to stop, and it comes to no
// poll. Each thread is told of once, and once more when the run was asked to stop; who is inside comes first. Call it every few ms.
bool run_stuck(struct run *r, uint64_t limit_ns, struct run_stuck *out);
// The run has ended, or was never started.
void run_free(struct run *r);
