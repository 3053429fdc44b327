// The second opinion of GODEBUG=gccheckmark=1 (mcheckmark.go): when marking is complete and the world still stopped, everything is marked
// once more, one field at a time from all roots, into bitmaps of its own. What is reached there must be marked.
#pragma once

#include "gc/heap.h"

// Dies with the object and the place of the pointer if an object is reachable and not marked. World stopped, nothing grey.
CORE void checkmark(struct mutator *m);
