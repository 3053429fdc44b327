// Finding and listing spans and objects. Reads only; listing wants the world stopped.
#pragma once

#include "gc/heap.h"

// What has no mark in it is dead.
CORE bool span_is_unswept(const struct mheap *h, const gcsim_span *s);
// A bit per slot of what a sweep would leave of a span (span_mark_words of it); returns how many objects it would free.
CORE uint32_t span_live(const struct mheap *h, const gcsim_span *s, uint64_t *live);
// Bytes at the end of a span that hold bits about its objects.
CORE uint64_t span_bits_bytes(const gcsim_span *s);
CORE gcsim_status object_find(struct mheap *h, const void *address, gcsim_object *out);
CORE uint64_t object_list(struct mheap *h, uint64_t *cursor, gcsim_object *out, uint64_t room);
CORE uint64_t span_list_all(struct mheap *h, uint64_t *cursor, gcsim_span_info *out, uint64_t room);
CORE uint64_t object_pointer_slots(struct mheap *h, const gcsim_object *object, uint32_t *out,
                                   uint64_t room);
