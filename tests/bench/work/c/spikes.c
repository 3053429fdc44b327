// Allocation spikes: again and again a list of 1 KiB blocks grows to HIGH bytes and dies; in between small objects come and go. A sixteenth
// of a spike's blocks lives on until the next one.
#include "work.h"

enum { WORDS = 128, KEPT = 16, SMALL = 100000 };

struct block {
    struct block *next;
    uint64_t words[WORDS - 1];
};

static void drop_list(struct block *b)
{
    while (b && MEMORY_FREES) {
        struct block *next = b->next;
        drop(b);
        b = next;
    }
}

uint64_t work_spikes(struct thread *t, char **words)
{
    uint64_t blocks = number(words[0]) / sizeof(struct block), times = number(words[1]), check = 0;
    struct kind block = kind_of(t, sizeof(struct block), 1), small = kind_of(t, 32, 2);
    struct block **kept = (struct block **)t->roots, **spike = kept + 1;
    uint64_t start = now_ns();
    for (uint64_t k = 0; k < times; k++) {
        drop_list(*kept);
        *kept = NULL;
        for (uint64_t i = 0; i < blocks; i++) {
            struct block **list = i % KEPT ? spike : kept, *b = make(t, block);
            b->words[i % (WORDS - 1)] = i;
            put(t, &b->next, *list);
            *list = b;
            check += b->words[7];
        }
        drop_list(*spike);
        *spike = NULL;
        for (uint64_t i = 0; i < SMALL; i++) {
            void *p = t->roots[2] = make(t, small);
            drop(p);
        }
    }
    print_seconds(start);
    return check;
}
