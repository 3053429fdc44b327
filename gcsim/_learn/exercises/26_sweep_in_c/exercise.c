// Write sweep in C. README.md says how; replace each todo(...).
#include <stddef.h>
#include <stdint.h>

_Noreturn void todo(const char *what);

// Bitmaps have a bit for each slot: bit i % 64 of word i / 64. The bits behind nelems are 0.
struct span {
    uint64_t nelems;      // slots
    uint64_t alloc_count; // how many of them are in use
    uint64_t free_index;  // all slots below are in use
    uint64_t *alloc_bits; // in use as the last sweep left it: what was handed out since has no bit
    uint64_t *mark_bits;  // what marking has found alive
    uint32_t sweepgen;    // see README.md
    uint32_t needzero;    // 1: free slots may hold what was there before
};

enum fate { SPAN_FREE, SPAN_PARTIAL, SPAN_FULL, SPAN_ZOMBIE };

// 1 if the span waits to be swept, and is the caller's to sweep from now on. heap: its sweepgen.
int acquire(struct span *s, uint32_t heap)
{
    (void)s, (void)heap;
    todo("acquire a span");
}

// A processor gives back the span that it has cached. 1 if it has to be swept, by the caller.
int uncache(struct span *s, uint32_t heap)
{
    (void)s, (void)heap;
    todo("give a cached span back");
}

// Sweeps a span that the caller has acquired; says what becomes of it, and how many slots were freed.
// fresh: a bitmap of zeros, which the next marking is to use.
enum fate sweep(struct span *s, uint32_t heap, uint64_t *fresh, uint64_t *freed)
{
    (void)s, (void)heap, (void)fresh, (void)freed;
    todo("sweep a span");
}

// Hands out the first free slot from free_index on; nelems if there is none.
uint64_t next_free(struct span *s)
{
    (void)s;
    todo("find the next free slot");
}
