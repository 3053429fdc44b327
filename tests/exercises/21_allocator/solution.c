// A solution of 21_allocator: spans of slots of one size, as Go's, with a count of owners beside each slot.
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, CLASSES = 24, LARGEST = 2048 };

struct span { // one for each page; what is not `first` counts in the first page of a run
    uint32_t first, pages;
    uint32_t size;               // of its slots; 0: the run is free; more than LARGEST: one buffer
    uint32_t slots, fresh, live; // fresh: from here on, slots were never given out
    uint8_t *owners;             // of each slot
    char *base;                  // of slot 0
    void *free;                  // slots that came back, each with the address of the next
    struct span *next, *before;  // with room, of the same size
};

static char *pages;
static uint32_t npages;
static struct span *spans, *with_room[CLASSES];

static size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

static int class_of(size_t bytes)
{
    if (bytes <= 128)
        return bytes ? (int)(bytes - 1) / 16 : 0;
    int power = 63 - __builtin_clzl(bytes - 1); // of two, below it: 7 to 10
    return 8 + (power - 7) * 4 + (int)((bytes - 1) >> (power - 2) & 3);
}

static uint32_t size_of(int class)
{
    int power = 7 + (class - 8) / 4;
    return class < 8 ? 16 * (uint32_t)(class + 1)
                     : (1u << power) + ((uint32_t)(class & 3) + 1) * (1u << (power - 2));
}

void arena_init(void *arena, size_t bytes)
{
    spans = arena;
    npages = (uint32_t)(bytes / PAGE);
    uint32_t taken = (uint32_t)(rounded(npages * sizeof *spans, PAGE) / PAGE);
    pages = (char *)arena + (size_t)taken * PAGE;
    npages -= taken;
    spans[0] = (struct span){.pages = npages};
    for (int i = 0; i < CLASSES; i++)
        with_room[i] = NULL;
}

static struct span *run_of(uint32_t n)
{
    for (uint32_t i = 0; i < npages; i += spans[i].pages) {
        struct span *s = &spans[i];
        if (s->size)
            continue;
        while (i + s->pages < npages && !spans[i + s->pages].size)
            s->pages += spans[i + s->pages].pages;
        if (s->pages < n)
            continue;
        if (s->pages > n)
            spans[i + n] = (struct span){.pages = s->pages - n};
        *s = (struct span){.first = i, .pages = n, .base = pages + (size_t)i * PAGE};
        for (uint32_t k = 1; k < n; k++)
            spans[i + k].first = i;
        return s;
    }
    return NULL;
}

static void list(struct span *s, int class)
{
    s->before = NULL;
    if ((s->next = with_room[class]))
        s->next->before = s;
    with_room[class] = s;
}

static void unlist(struct span *s, int class)
{
    if (s->next)
        s->next->before = s->before;
    if (s->before)
        s->before->next = s->next;
    else
        with_room[class] = s->next;
}

static void *large(size_t bytes)
{
    if (bytes > (size_t)npages * PAGE)
        return NULL;
    struct span *s = run_of((uint32_t)(rounded(bytes, PAGE) / PAGE));
    if (!s)
        return NULL;
    s->size = s->pages * PAGE;
    s->live = 1;
    return s->base;
}

static struct span *small_span(int class)
{
    uint32_t size = size_of(class);
    struct span *s = run_of(size <= 256 ? 1 : size <= 512 ? 2 : 4);
    if (!s)
        return NULL;
    s->size = size;
    s->slots = s->pages * PAGE / (size + 1);
    while (rounded(s->slots, 16) + (size_t)s->slots * size > (size_t)s->pages * PAGE)
        s->slots--;
    s->owners = (uint8_t *)s->base;
    s->base += rounded(s->slots, 16);
    list(s, class);
    return s;
}

void *arena_alloc(size_t bytes)
{
    if (bytes > LARGEST)
        return large(bytes);
    int class = class_of(bytes);
    struct span *s = with_room[class];
    if (!s && !(s = small_span(class)))
        return NULL;
    char *slot = s->free;
    if (slot)
        s->free = *(void **)slot;
    else
        slot = s->base + (size_t)s->fresh++ * s->size;
    s->owners[(size_t)(slot - s->base) / s->size] = 1;
    if (++s->live == s->slots)
        unlist(s, class);
    return slot;
}

static struct span *span_of(const void *p)
{
    return &spans[spans[(size_t)((const char *)p - pages) / PAGE].first];
}

size_t arena_usable(const void *p) { return span_of(p)->size; }

void *arena_share(void *p, size_t offset)
{
    struct span *s = span_of(p);
    if (s->size > LARGEST)
        s->live++;
    else
        s->owners[(size_t)((char *)p - s->base) / s->size]++;
    return (char *)p + offset;
}

void arena_release(void *p)
{
    struct span *s = span_of(p);
    if (s->size > LARGEST) {
        if (--s->live == 0)
            s->size = 0;
        return;
    }
    size_t i = (size_t)((char *)p - s->base) / s->size;
    if (--s->owners[i])
        return;
    int class = class_of(s->size);
    void **slot = (void **)(s->base + i * s->size);
    *slot = s->free;
    s->free = slot;
    if (s->live-- == s->slots)
        list(s, class);
    if (s->live == 0 && (s->next || s->before)) {
        unlist(s, class);
        s->size = 0;
    }
}
