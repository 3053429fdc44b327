// A search under way (explore.c), and how it is put aside (resume.c).
#pragma once

#include "steps/actor.h"
#include "steps/seen.h"
#include "steps/undo.h"

struct level {
    uint64_t mark;          // to undo the step that led here
    uint32_t actor, choice; // to try next
    gcsim_taken by;         // the step that led here
};

struct explorer {
    gcsim_heap *heap;
    struct actors *all;
    const gcsim_search *search;
    gcsim_found *out;
    struct undo *undo;
    struct seen seen;
    struct level *levels;
    uint64_t depth, room_levels;
    uint64_t bound; // of depth; 0 = none
    uint64_t max_bytes;
    uint64_t begun_ns;
    uint64_t told; // transitions, when progress() was told last
    bool careful;  // everything is looked at after each step
    bool died;     // the last step broke what the core relies on
    bool cut;      // the bound of depth left something out
    bool loaded;   // it was put aside before
    bool torn;     // memory ran out in the middle of a step: it cannot be put aside
    uint32_t collector;
};

// A level more, which the step `by` led to. False: no memory.
CORE bool explore_push(struct explorer *e, gcsim_taken by, uint64_t mark);
CORE uint64_t explore_hash(struct explorer *e);     // of the present state; never 0
CORE uint64_t explore_ns(const struct explorer *e); // since it began

// To search.save: everything that the search is. False: it could not be written.
CORE bool resume_save(struct explorer *e);
// From search.load: as it was, its steps taken again. GCSIM_BAD_STATE: what was saved is of another search, or damaged.
CORE gcsim_status resume_load(struct explorer *e);
