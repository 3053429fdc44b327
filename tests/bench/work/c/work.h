// The works of this program: each takes the words after its name, prints members of the JSON object that main prints, every one followed
// by ", ", and gives a check: a number that every program of this work, in any language, has to give for the same words.
#pragma once

#include "memory.h"

uint64_t work_trees(struct thread *t, char **words);
uint64_t work_gcbench(struct thread *t, char **words);
uint64_t work_alloc(struct thread *t, char **words);
uint64_t work_mark(struct thread *t, char **words);
uint64_t work_empty(struct thread *t, char **words);
uint64_t work_store(struct thread *t, char **words);
uint64_t work_stops(struct thread *t, char **words);
uint64_t work_lru(struct thread *t, char **words);
uint64_t work_list(struct thread *t, char **words);
uint64_t work_spikes(struct thread *t, char **words);
uint64_t work_recording(struct thread *t, char **words);
uint64_t work_maps(struct thread *t, char **words);
uint64_t work_resident(struct thread *t, char **words);

static inline void print_seconds(uint64_t start)
{
    printf("\"seconds\": %.6f, ", (double)(now_ns() - start) / 1e9);
}

static inline unsigned thread_count(const char *word)
{
    uint64_t n = number(word);
    if (n < 1 || n > MOST_THREADS)
        die("1 to 64 threads");
    return (unsigned)n;
}
