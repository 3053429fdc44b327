// The list of what must hold (invariants.def), and one function that checks it all. Reads only; the world is stopped.
//
// It shares no code with what it checks, the geometry tables aside: it has its own way from an address to a slot, its own walk over an
// object's pointers and its own trace. It costs a few passes over the heap and 1/64 of its size in memory while it runs.
#pragma once

#include "gc/cycle.h"
#include "gc/heap.h"

enum verify_rule {
    RULE_NO_MEMORY =
        0, // not a violation: verify itself got no memory, so what it says is not complete
#define RULE(number, NAME, name, statement) RULE_##NAME = number,
#include "watch/invariants.def"
#undef RULE
    VERIFY_RULES // one more than the last number of the list
};

// Name and statement of a rule, NULL if there is none of that number.
CORE const char *verify_rule_name(uint32_t number);
CORE const char *verify_rule_statement(uint32_t number);

// Writes the first `room` violations; returns how many there are.
CORE uint64_t verify_heap(struct mheap *h, gcsim_violation *out, uint64_t room);

// The marks against a trace of its own: called when marking is complete and nothing has been swept.
CORE uint64_t verify_marks(struct mheap *h, gcsim_violation *out, uint64_t room);
