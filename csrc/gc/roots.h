// Roots: what a collection starts from. Handles, named globals, goroutine frames, strong batches, and what mutators hold
// (tiny block, object being returned), as numbered jobs; specials (gc/specials.h); weak batches, which are cleared instead.
//
// Handles and globals live in chunks that never move. A mutator takes free handles from a stock of its own; a dropped handle is
// pushed on one lock-free list by any thread and stays a root until a mutator takes the list.
#pragma once

#include "gc/heap.h"
#include "gc/mark.h"

CORE gcsim_handle *handle_make(struct mutator *m, void *ptr);
CORE void handle_release(gcsim_heap *heap, gcsim_handle *handle);
CORE void handles_take_dropped(
    struct mutator *m); // into the mutator's stock; they are no roots any more
CORE void handles_give_back(struct mutator *m); // the stock of a mutator that goes
CORE uint64_t handles_list(gcsim_heap *heap, void **out, uint64_t room);

CORE gcsim_global *global_make(struct mutator *m, uint32_t name);
CORE void global_release(struct mutator *m, gcsim_global *global);
CORE gcsim_global *global_after(gcsim_heap *heap, gcsim_global *after);

CORE gcsim_goroutine *goroutine_make(struct mutator *m, uint32_t name);
CORE void goroutine_finish(struct mutator *m, gcsim_goroutine *g);
CORE void goroutines_disown(struct mutator *m); // which goes
CORE gcsim_goroutine *goroutine_after(gcsim_heap *heap, gcsim_goroutine *after);
CORE uint64_t goroutines_list(struct mheap *h, gcsim_goroutine_info *out, uint64_t room);
CORE uint64_t goroutine_push(struct mutator *m, gcsim_goroutine *g, const gcsim_type *t,
                             uint32_t name);
CORE gcsim_status goroutine_pop(struct mutator *m, gcsim_goroutine *g);
// Every pointer slot of its frames, top first; with conservative stacks every word that is not 0. Then what it waits for, what woke it.
CORE void goroutine_visit(struct mheap *h, gcsim_goroutine *g, mark_visit visit, void *ctx);

CORE gcsim_batch *batch_make(struct mutator *m, uint64_t count);
CORE void batch_release(struct mutator *m, gcsim_batch *batch);
CORE void *batch_read(struct mutator *m, gcsim_batch *batch, uint64_t index);

// The roots of a cycle. While the world is stopped at its beginning: strong batches, goroutine frames unless their mutators' stacks are grey
// and scanned later, what mutators hold (black from then on); roots_prepare notes the jobs that are left for later: chunks of handles and globals, which are heap locations under the barrier, and
// specials. roots_next does one of those jobs; false when none is left. roots_forget: nobody will.
CORE void roots_prepare(struct mheap *h);
CORE void roots_forget(struct mheap *h);
CORE void roots_visit_stopped(struct mheap *h, mark_visit visit, void *ctx);
// Frames of the goroutines of one mutator, or of all (NULL). It is at a safe point or outside.
CORE void roots_visit_frames(struct mheap *h, const struct mutator *owner, mark_visit visit,
                             void *ctx);
// May that find anything, if `m` stops the world now?
CORE bool roots_may_wait(struct mutator *m);
CORE bool roots_next(struct mutator *m, mark_visit visit, void *ctx);
CORE bool roots_are_left(struct mheap *h);
// Bytes of frames. count: at the beginning of a cycle, whose scan of the stacks they are: stacks in little use are halved, as in Go.
CORE uint64_t roots_stack_bytes(gcsim_heap *heap);
CORE void roots_count_stacks(gcsim_heap *heap);
// Marks are final: entries of weak batches whose object has none become NULL, piece by piece while the program runs. Until that is done
// nothing is swept, so that an entry never leads to another object.
CORE void roots_begin_clearing(struct mheap *h); // world stopped
CORE bool roots_clear_piece(struct mheap *h);    // false: nothing is left to clear
