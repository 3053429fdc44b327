// A solution of 27_barrier_in_c.
#include <stddef.h>
#include <stdint.h>

struct buffer {
    int marking;
    uint64_t n, room;
    void **entries;
};

void shade(void *object);

void flush(struct buffer *b)
{
    for (uint64_t i = 0; i < b->n; i++)
        if (b->entries[i])
            shade(b->entries[i]);
    b->n = 0;
}

void write_pointer(struct buffer *b, void **slot, void *p)
{
    if (b->marking) {
        if (b->n + 2 > b->room)
            flush(b);
        b->entries[b->n] = *slot;
        b->entries[b->n + 1] = p;
        b->n += 2;
    }
    *slot = p;
}
