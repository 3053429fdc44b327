#include "watch/spread.h"

enum {
    SPREAD_COMPARED = 1024, // slots of a row of elements: one damaged dump must not take hours
    SPREAD_INSTEAD = 3,     // types that are tried for one pointer
};

CORE uint32_t spread_header_bytes(uint64_t slot_bytes, bool noscan)
{
    return !noscan && slot_bytes > 512 && slot_bytes <= 32768 ? 8 : 0;
}

static enum graph_code spread_check(const struct object_graph *g, const struct spread_types *t,
                                    const struct spread_slots *s, const uint32_t *found)
{
    if (t->field_start[0] != 0 || t->field_start[t->types] != t->fields)
        return GRAPH_MALFORMED;
    for (uint32_t i = 0; i < t->types; i++)
        if (t->bytes[i] == 0 || t->field_start[i] > t->field_start[i + 1] ||
            (t->elements[i] != GRAPH_NONE && t->elements[i] >= t->types))
            return GRAPH_MALFORMED;
    for (uint64_t f = 0; f < t->fields; f++)
        if (t->field_type[f] != GRAPH_NONE && t->field_type[f] >= t->types)
            return GRAPH_MALFORMED;
    for (uint32_t i = 0; i < g->nodes; i++)
        if (found[i] != GRAPH_NONE && found[i] >= t->types)
            return GRAPH_MALFORMED;
    if (s->start == NULL)
        return GRAPH_OK;
    if (s->start[0] != 0 || s->start[g->nodes] != s->slots)
        return GRAPH_MALFORMED;
    for (uint32_t i = 0; i < g->nodes; i++)
        if (s->start[i] > s->start[i + 1])
            return GRAPH_MALFORMED;
    return GRAPH_OK;
}

// Whether a node has its pointers where the type has. Behind a header and in large objects the collector takes the type as repeated up to the end of the
// slot (mbitmap.go:typePointers.next), one element or more; in small ones it knows the size that was asked for. A row fills more than half of its slot: what
// is shorter would be in a smaller one.
static bool spread_laid_out(const struct object_graph *g, const struct spread_types *t,
                            const struct spread_slots *s, uint32_t type, uint32_t node)
{
    uint64_t fields = t->field_start[type + 1] - t->field_start[type];
    uint64_t slots = s->start[node + 1] - s->start[node], compared = slots;
    const uint32_t *field = t->field_off + t->field_start[type], *off = s->off + s->start[node];
    bool one = t->slot_bytes[type] && g->bytes[node] <= 512;
    if (slots < fields || (one && slots != fields) || (fields == 0 && slots))
        return false;
    if (t->slot_bytes[type] == 0 && fields &&
        (slots + fields - 1) / fields * t->bytes[type] <= g->bytes[node] / 2)
        return false;
    if (compared > SPREAD_COMPARED && compared > fields)
        compared = fields > SPREAD_COMPARED ? fields : SPREAD_COMPARED;
    for (uint64_t i = 0; i < compared; i++)
        if (off[i] != spread_header_bytes(g->bytes[node], false) + field[i % fields] +
                          i / fields * t->bytes[type])
            return false;
    return true;
}

static bool spread_fits(const struct object_graph *g, const uint8_t *noscan,
                        const struct spread_types *t, const struct spread_slots *s, uint32_t type,
                        uint32_t node)
{
    if (!noscan[node] != !t->noscan[type])
        return false;
    if (!noscan[node] && s->start && !spread_laid_out(g, t, s, type, node))
        return false;
    if (t->slot_bytes[type])
        return t->slot_bytes[type] == g->bytes[node];
    return t->bytes[type] <= g->bytes[node] - spread_header_bytes(g->bytes[node], noscan[node]);
}

// The type of what the pointer at `offset` leads to, or GRAPH_NONE.
static uint32_t spread_field(const struct spread_types *t, uint32_t type, uint64_t offset)
{
    uint64_t low = t->field_start[type], high = t->field_start[type + 1];
    if (!t->slot_bytes[type])
        offset %= t->bytes[type];
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (t->field_off[mid] < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->field_start[type + 1] && t->field_off[low] == offset ? t->field_type[low]
                                                                         : GRAPH_NONE;
}

// What a node is that a pointer says to be of a type: that, or else what the type's objects may be instead. GRAPH_NONE: neither.
static uint32_t spread_fitting(const struct object_graph *g, const uint8_t *noscan,
                               const struct spread_types *t, const struct spread_slots *s,
                               uint32_t type, uint32_t node)
{
    for (int i = 0; i < SPREAD_INSTEAD && type != GRAPH_NONE; i++, type = t->elements[type])
        if (spread_fits(g, noscan, t, s, type, node))
            return type;
    return GRAPH_NONE;
}

// A pointer to the first field of an object says what the field is, as if the object were a row of such. Without pointers nothing contradicts that but who
// says what fits the slot.
static bool spread_is_better(const struct spread_types *t, const uint8_t *noscan, uint32_t type,
                             uint32_t known, uint32_t node)
{
    return type != GRAPH_NONE && noscan[node] && t->slot_bytes[type] && !t->slot_bytes[known] &&
           t->elements[type] != known;
}

// What the pointers of a node lead to, that will be asked for in a few turns.
static void spread_prefetch(const struct object_graph *g, const uint32_t *found,
                            const uint32_t *queue, uint32_t head, uint32_t tail)
{
    if (tail - head <= GRAPH_AHEAD / 4)
        return;
    uint32_t v = queue[head + GRAPH_AHEAD / 4];
    for (uint64_t e = g->edge_start[v]; e < g->edge_start[v + 1] && e < g->edge_start[v] + 4; e++) {
        __builtin_prefetch(&found[g->edge_dst[e]]);
        __builtin_prefetch(&g->bytes[g->edge_dst[e]]);
    }
}

CORE enum graph_code spread_run(const struct object_graph *g, const uint8_t *noscan,
                                const uint32_t *edge_off, const uint32_t *edge_dst_off,
                                const struct spread_types *t, const struct spread_slots *s,
                                uint32_t *found)
{
    uint32_t *queue = graph_alloc(g->nodes, sizeof *queue), head = 0, tail = 0;
    enum graph_code code = queue ? spread_check(g, t, s, found) : GRAPH_NO_MEMORY;
    for (uint32_t i = 0; code == GRAPH_OK && i < g->nodes; i++) {
        found[i] = spread_fitting(g, noscan, t, s, found[i], i);
        if (found[i] != GRAPH_NONE)
            queue[tail++] = i;
    }
    while (code == GRAPH_OK && head < tail) {
        queue_prefetch(g, queue, head, tail);
        spread_prefetch(g, found, queue, head, tail);
        uint32_t v = queue[head++], header = spread_header_bytes(g->bytes[v], noscan[v]);
        if (graph_stopped(g, head - 1))
            code = GRAPH_STOPPED;
        for (uint64_t e = g->edge_start[v]; e < g->edge_start[v + 1]; e++) {
            uint32_t u = g->edge_dst[e];
            if (edge_off[e] < header ||
                edge_dst_off[e] != spread_header_bytes(g->bytes[u], noscan[u]))
                continue;
            uint32_t type = spread_field(t, found[v], edge_off[e] - header);
            if (found[u] != GRAPH_NONE) {
                if (spread_is_better(t, noscan, type, found[u], u) &&
                    spread_fits(g, noscan, t, s, type, u))
                    found[u] = type;
                continue;
            }
            type = spread_fitting(g, noscan, t, s, type, u);
            if (type == GRAPH_NONE)
                continue;
            found[u] = type;
            queue[tail++] = u;
        }
    }
    free(queue);
    return code;
}
