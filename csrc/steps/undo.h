// Taking steps back fast: for a search, which goes one step forward and one back a million times.
//
// What changes from step to step is a few dozen lines of 64 bytes out of the thousands of a world. Those that ever changed are *hot*:
// after each step they are compared with a shadow, and the old contents of those that differ go on the undo stack. All others are
// compared now and then (undo_audit); one that turns out to have changed becomes hot, and as nobody took its changes back
// until then, the search begins again. The history zone is not looked at: no decision reads it.
//
// The hash of a state is the sum over its hot lines of what each one's hash has become, less what it was at the beginning: which lines are
// known to be hot makes no difference. Of a coroutine's stack only what lies above its stack pointer is state; what
// is below is cleared. Above, unless whole stacks are wanted, return addresses stand for the rest: together with the step point
// (what it is about), the operation under way and the heap they say where the coroutine is. Locals that say the same twice, or count
// what nobody asks, make no difference then; an audit compares.
#pragma once

#include "alloc/mheap.h"

struct undo;

// NULL: no memory. Arena pages without a span are not looked at.
CORE struct undo *undo_create(struct mheap *h, bool whole_stacks, uint64_t seed);
CORE void undo_destroy(struct undo *u);
// Memory that decides nothing, or that whoever searches hashes in another way: it is taken back, but is no part of the hash. So are the
// collector's work buffers.
CORE void undo_ignore(struct undo *u, const void *at, uint64_t bytes);
// A step was taken: note what it changed. Returns a mark to go back to where it was before; UINT64_MAX: no memory.
CORE uint64_t undo_note(struct undo *u);
CORE void undo_back(struct undo *u, uint64_t mark);
CORE uint64_t undo_hash(const struct undo *u);
// Looks at everything; the number of lines that turned out to be hot. If there are any, or by `undo_reset`: as it was at the beginning.
CORE uint64_t undo_audit(struct undo *u);
CORE void undo_reset(struct undo *u);
// The lines that are known to be hot, and to make one so from the beginning on (then: undo_reset). False: there is no such line, or no memory.
struct undo_place {
    uint64_t region, offset;
};
CORE uint64_t undo_lines(const struct undo *u);
CORE struct undo_place undo_place(const struct undo *u, uint64_t i);
CORE bool undo_heat(struct undo *u, struct undo_place at);
CORE uint64_t undo_bytes(const struct undo *u); // in use, outside the world
