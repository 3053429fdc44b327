// The memory that the programs of this folder run on. Each is compiled once for gcsim (MEMORY_GCSIM), once for bdwgc (MEMORY_BDWGC) and once
// for malloc and free (MEMORY_MALLOC): of the C library, or of whatever else is linked in front of it.
//
// Every backend gives:
//
//   MEMORY_PRECISE   1: what lives has to be reachable from thread->roots, or from an object that is
//   MEMORY_FREES     1: objects are freed with `drop`; 0: `drop` does nothing
//   MEMORY_COLLECTS  1: `collect` is a full collection
//   MEMORY_BARRIER   1: `put` does more while the collector marks
//   MEMORY_MAPS      1: there are maps that live in its objects
//   struct thread    a thread that allocates; `roots` are ROOTS slots that keep what they point to
//   struct kind      objects of one size with pointers in their first words
//   make             a new object, zeroed
//   make_unset       the same for a caller that sets every word of it at once
//   make_array       an array of pointers, all NULL
//   put              *slot = p, where the slot lies in an object
//
// The environment says how it runs, in Go's words: GOGC, GOMAXPROCS; for gcsim also MARK_ENGINE and STOP_THE_WORLD, for bdwgc its own.
#pragma once

#include <pthread.h>

#include "../../bench.h"

enum { ROOTS = 64, MOST_THREADS = 64 };

#if defined MEMORY_GCSIM
#include "memory_gcsim.h"
#elif defined MEMORY_BDWGC
#include "memory_bdwgc.h"
#elif defined MEMORY_MALLOC
#include "memory_malloc.h"
#else
#error "which memory?"
#endif

struct job {
    pthread_t thread;
    struct thread *first, here;
    void (*run)(struct thread *t, unsigned index, void *arg);
    void *arg;
    unsigned index;
};

static inline void *job_main(void *arg)
{
    struct job *j = arg;
    thread_open(&j->here, j->first);
    j->run(&j->here, j->index, j->arg);
    thread_close(&j->here);
    return NULL;
}

// A thread beside those that run_threads starts.
static inline void job_start(struct job *j, struct thread *first,
                             void (*run)(struct thread *, unsigned, void *), unsigned index,
                             void *arg)
{
    *j = (struct job){.first = first, .run = run, .arg = arg, .index = index};
    if (pthread_create(&j->thread, NULL, job_main, j))
        die("no thread");
}

static inline void job_join(struct job *j, struct thread *first)
{
    thread_pause(first);
    if (pthread_join(j->thread, NULL))
        die("a thread cannot be joined");
    thread_resume(first);
}

// run(thread, 0), run(thread, 1) ... on n threads at once; on the caller's own if it is one.
static inline void run_threads(struct thread *t, unsigned n,
                               void (*run)(struct thread *, unsigned, void *), void *arg)
{
    static struct job jobs[MOST_THREADS];
    if (n == 1) {
        run(t, 0, arg);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        job_start(&jobs[i], t, run, i, arg);
    for (unsigned i = 0; i < n; i++)
        job_join(&jobs[i], t);
}
