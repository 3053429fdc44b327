// work NAME WORDS...: one work on one memory (memory.h). Prints one JSON object.
#define MEMORY_DEFINES // this unit holds what the whole program has once
#include "work.h"

static const struct work {
    const char *name, *usage;
    int words;
    uint64_t (*run)(struct thread *t, char **words);
    bool absent; // this memory has not what the work is about
} works[] = {
    {"trees", "DEPTH THREADS", 2, work_trees, false},
    {"gcbench", "DEPTH", 1, work_gcbench, false},
    {"alloc", "BYTES,... pointers|plain dropped|ring THREADS ROUNDS", 5, work_alloc, false},
    {"mark", "tree|random|list COUNT ROUNDS", 3, work_mark, !MEMORY_COLLECTS},
    {"empty", "PARKED ROUNDS", 2, work_empty, !MEMORY_COLLECTS},
    {"store", "SLOTS hot|random SECONDS/100", 3, work_store, !MEMORY_BARRIER},
    {"stops", "LIVE_BYTES THREADS STEPS", 3, work_stops, !MEMORY_COLLECTS},
    {"lru", "CAPACITY STEPS", 2, work_lru, false},
    {"list", "NODES", 1, work_list, false},
    {"spikes", "HIGH_BYTES TIMES", 2, work_spikes, false},
    {"recording", "FILE TIMES", 2, work_recording, false},
    {"resident", "OBJECTS", 1, work_resident, false},
    {"maps", "int|string|pointer ENTRIES ROUNDS", 3, work_maps, !MEMORY_MAPS},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        const struct work *w = &works[i];
        if (argc < 2 || strcmp(argv[1], w->name))
            continue;
        if (w->absent)
            die("this memory has no collector, or no barrier");
        if (argc != 2 + w->words) {
            fprintf(stderr, "usage: work %s %s\n", w->name, w->usage);
            return 2;
        }
        static struct thread t;
        memory_open(&t);
        printf("{");
        printf("\"check\": %lu, ", w->run(&t, argv + 2));
        printf("\"peak_bytes\": %lu, ", peak_bytes());
        memory_report(&t);
        printf("}\n");
        return 0; // the process ends with its heap: taking it down is no part of the work
    }
    fprintf(stderr, "usage: work NAME WORDS...; the names:");
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        fprintf(stderr, " %s", works[i].name);
    fprintf(stderr, "\n");
    return 2;
}
