// Names for the words that somebody may wait on: locks, queues, flags of the heap and of its mutators.
#pragma once

#include "gc/heap.h"

// Writes a name such as "the heap lock" or "mutator 3 to leave"; "an unknown word" if it is none of the heap's. Returns `buffer`.
CORE const char *wait_name(struct mheap *h, const uint32_t *word, char *buffer, size_t room);
