// An allocator whose buffers are handed over without a copy. README.md says how; replace each todo(...).
#include <stddef.h>
#include <stdint.h>

_Noreturn void todo(const char *what); // ends here: "not written yet"

// From now on buffers come from these bytes, which begin at a multiple of 4096 and have anything in them. What came from an arena before this
// one is forgotten. Nothing else may be asked for memory: what you note about buffers lies in the arena too (or in a few static variables).
void arena_init(void *arena, size_t bytes)
{
    (void)arena, (void)bytes;
    todo("lay out the arena");
}

// A buffer of so many bytes (at least 1) with one owner, at a multiple of 16. NULL: there is no room for it.
void *arena_alloc(size_t bytes)
{
    (void)bytes;
    todo("find room for a buffer");
}

// How many bytes the buffer that begins at p really has: what was asked for, or more.
size_t arena_usable(const void *p)
{
    (void)p;
    todo("say how large the buffer is");
}

// One owner more (there are never more than 100) of the buffer that p points into, at its beginning or somewhere behind it. The new owner's
// view begins `offset` bytes behind p, in the same memory: that address is returned.
void *arena_share(void *p, size_t offset)
{
    (void)p, (void)offset;
    todo("hand the buffer over");
}

// One owner less. p is that owner's view, so it may point anywhere into the buffer. With the last owner the memory is free again, for buffers
// of any size.
void arena_release(void *p)
{
    (void)p;
    todo("give the buffer back");
}
