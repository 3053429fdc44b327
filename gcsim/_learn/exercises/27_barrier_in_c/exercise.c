// Write Go's write barrier in C. README.md says how; replace each todo(...).
#include <stddef.h>
#include <stdint.h>

_Noreturn void todo(const char *what);

// What a processor has for its barrier (Go: mwbbuf.go, wbBuf; 512 entries there).
struct buffer {
    int marking;    // 1 while the collector marks
    uint64_t n;     // entries in use
    uint64_t room;  // entries that there are, at least 2
    void **entries; // objects that are to be shaded, or nil
};

// The collector's: gives a white object its mark and queues it. Not for nil.
void shade(void *object);

// Shades what the buffer has, and empties it. Marking does not end before each buffer was flushed.
void flush(struct buffer *b)
{
    (void)b;
    todo("flush the buffer");
}

// *slot = ptr, where slot lies in an object or a global.
void write_pointer(struct buffer *b, void **slot, void *ptr)
{
    (void)b, (void)slot, (void)ptr;
    todo("store the pointer");
}
