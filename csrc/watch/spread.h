// What types the objects of a graph have, told along their pointers from those that are known.
//
// A slot of at most 512 bytes does not say what it was made for. But who refers to it knows: the class of a reference, the slot of a frame, the field
// of an object whose type is known. What does not fit the slot that it leads to is not believed.
#pragma once

#include "watch/graph.h"

// Types are numbers. One that stands for elements side by side fits any slot with room for one.
struct spread_types {
    uint32_t types;
    uint64_t fields;
    const uint64_t *bytes;      // types: of the type, or of one element
    const uint64_t *slot_bytes; // types: that one object takes; 0: elements side by side
    const uint8_t *noscan;      // types
    const uint32_t *
        elements; // types: what an object is that does not fit: such side by side, most often; or GRAPH_NONE
    const uint64_t *field_start; // types + 1
    const uint32_t *field_off;   // fields: where a pointer lies, ascending in each type
    const uint32_t *field_type;  // fields: of what it leads to, GRAPH_NONE: unknown
};

// Where objects have pointers, nil ones too: what the collector reads. start: nodes + 1 (NULL: it is not known), off: ascending in each object.
struct spread_slots {
    const uint64_t *start;
    const uint32_t *off;
    uint64_t slots;
};

// Where an object has a word in front that says its type: 8, else 0 (sizeclass.h:MALLOC_HEADER_BYTES).
CORE uint32_t spread_header_bytes(uint64_t slot_bytes, bool noscan);

// `found` (nodes) has the types that are known, GRAPH_NONE elsewhere, and gets those that follow. noscan: nodes; edge_off, edge_dst_off: edges, where the
// pointer lies in its object and where it leads to in the other. Linear but for the search of a field. GRAPH_MALFORMED: a number that no type has.
// Where the slots of objects are known, an object with others than its type has is not of that type.
CORE enum graph_code spread_run(const struct object_graph *g, const uint8_t *noscan,
                                const uint32_t *edge_off, const uint32_t *edge_dst_off,
                                const struct spread_types *t, const struct spread_slots *s,
                                uint32_t *found);
