// A solution of 25_mark_in_c.
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 8192, ROOM = 253 };

struct span {
    char *base;
    uint64_t slot_bytes;
    uint64_t nelems;
    const uint64_t *pointers;
    uint64_t *marks;
};

struct heap {
    char *arena;
    uint64_t pages;
    struct span **spans;
};

struct workbuf {
    struct workbuf *next;
    uint64_t n;
    void *objects[ROOM];
};

struct workbuf *get_workbuf(void);
void put_workbuf(struct workbuf *buf);

static struct workbuf *grey;

static void push(void *object)
{
    if (grey->n == ROOM) {
        struct workbuf *fresh = get_workbuf();
        fresh->next = grey;
        grey = fresh;
    }
    grey->objects[grey->n++] = object;
}

static void *pop(void)
{
    if (grey->n == 0 && grey->next) {
        struct workbuf *empty = grey;
        grey = empty->next;
        put_workbuf(empty);
    }
    return grey->n ? grey->objects[--grey->n] : NULL;
}

static struct span *span_of(const struct heap *heap, const char *p)
{
    uint64_t page = (uint64_t)(p - heap->arena) / PAGE;
    return p >= heap->arena && page < heap->pages ? heap->spans[page] : NULL;
}

// The bytes of the object that p points into, if it had no mark before.
static uint64_t shade(const struct heap *heap, char *p)
{
    struct span *s = span_of(heap, p);
    if (!s)
        return 0;
    uint64_t slot = (uint64_t)(p - s->base) / s->slot_bytes, bit = (uint64_t)1 << slot % 64;
    if (s->marks[slot / 64] & bit)
        return 0;
    s->marks[slot / 64] |= bit;
    if (s->pointers)
        push(s->base + slot * s->slot_bytes);
    return s->slot_bytes;
}

static uint64_t scan(const struct heap *heap, char *object)
{
    struct span *s = span_of(heap, object);
    uint64_t first = (uint64_t)(object - s->base) / 8, bytes = 0;
    for (uint64_t i = 0; i < s->slot_bytes / 8; i++)
        if (s->pointers[(first + i) / 64] >> (first + i) % 64 & 1)
            bytes += shade(heap, ((char **)(void *)object)[i]);
    return bytes;
}

uint64_t mark(const struct heap *heap, void *const *roots, size_t n)
{
    uint64_t bytes = 0;
    grey = get_workbuf();
    grey->next = NULL;
    for (size_t i = 0; i < n; i++)
        bytes += shade(heap, roots[i]);
    for (char *object; (object = pop());)
        bytes += scan(heap, object);
    put_workbuf(grey);
    return bytes;
}
