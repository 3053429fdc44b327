// Write mark in C. README.md says how; replace todo(...).
#include <stddef.h>
#include <stdint.h>

_Noreturn void todo(const char *what);

enum { PAGE = 8192, ROOM = 253 };

// ---- the heap as its collector sees it ----

// A run of pages cut into slots of one size. Bitmaps are little endian: bit i % 64 of word i / 64.
struct span {
    char *base;
    uint64_t slot_bytes;
    uint64_t nelems;          // slots
    const uint64_t *pointers; // bit i: the i-th word (8 bytes) of the span is a pointer; NULL: none
    uint64_t *marks;          // bit i: the object in slot i is alive. All 0 at first
};

struct heap {
    char *arena;         // first byte of page 0
    uint64_t pages;      // how many there are
    struct span **spans; // of each page; NULL: no objects there
};

// ---- the grey queue: pieces of 253 objects, as in Go (mgcwork.go: workbuf) ----

struct workbuf {
    struct workbuf *next; // yours to use
    uint64_t n;
    void *objects[ROOM];
};

struct workbuf *get_workbuf(void);     // an empty one; never NULL
void put_workbuf(struct workbuf *buf); // gives an empty one back

// ---- yours ----

// Marks every object that the roots lead to, and gives back how many bytes these take (slots).
uint64_t mark(const struct heap *heap, void *const *roots, size_t nroots)
{
    (void)heap, (void)roots, (void)nroots;
    todo("mark what is alive");
}
