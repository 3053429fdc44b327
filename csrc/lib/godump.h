// Reader of the raw heap dumps that Go's runtime/debug.WriteHeapDump writes ("go1.7 heap dump",
// Go 1.7 and later).
//
// One buffer in, one struct of arrays out: the neutral object graph (objects by address, pointer
// slots, edges, roots), goroutines with their frames, finalizers, parameters, memory statistics. It
// knows nothing of our own heap.
//
// Contract. The buffer is hostile: whatever it holds, the reader neither crashes nor reads outside
// it, and what it allocates is bounded by a small multiple of its size (about 12 for a dump made of
// 8-byte objects only). It ends with a full result, or with a code, the byte offset where reading
// stopped and a message, and then nothing is left allocated. Texts in the result (godump_text) are
// ranges of the input buffer, which has to outlive their use.
#pragma once

#include "base/core.h"

enum godump_code {
    GODUMP_OK,
    GODUMP_MALFORMED,   // not a heap dump, truncated, or contradicting itself
    GODUMP_UNSUPPORTED, // a heap dump, but of a machine or Go version that the object graph is not
                        // defined for
    GODUMP_NO_MEMORY,
    GODUMP_STOPPED, // poll() asked for it
};

struct godump_error {
    enum godump_code code;
    uint64_t offset; // in the input buffer
    char message[200];
};

struct godump_text {
    uint64_t offset; // in the input buffer
    uint64_t length;
};

// The order of meta.root_kinds in the graph files.
enum godump_root_kind {
    GODUMP_ROOT_DATA = 1,
    GODUMP_ROOT_BSS,
    GODUMP_ROOT_STACK,
    GODUMP_ROOT_GOROUTINE,        // closure context, defer and panic records
    GODUMP_ROOT_FINALIZER_FN,     // the function of a finalizer: a root
    GODUMP_ROOT_FINALIZER_OBJ,    // the object: not a root itself, what it points to is
    GODUMP_ROOT_QUEUED_FINALIZER, // function, argument and types of a finalizer about to run
    GODUMP_ROOT_OTHER,            // its description stands in frame_names
    GODUMP_ROOT_KINDS,
};

// What spans of small objects (slots of at most 512 bytes, one page) keep behind their last object.
// The dump reports that space as objects; the reader drops them.
enum godump_spans {
    GODUMP_SPANS_PLAIN,        // Go < 1.22: nothing
    GODUMP_SPANS_BITMAP,       // 128 bytes of pointer bitmap in spans with pointers
    GODUMP_SPANS_INLINE_MARKS, // and 128 bytes of mark bits if slots have 16 bytes or more (Green
                               // Tea)
};

// Rows of 64-bit words only, so that a caller may take an array of them as a table of integers.
struct godump_goroutine {
    uint64_t id, status, is_system;
    struct godump_text wait_reason;
    uint64_t frames; // number of its entries in frame_name, innermost first
};

struct godump_finalizer { // -1: not in a live object
    int64_t object, object_off, fn, fn_off;
};

// MemStats in the order of the record: Alloc, TotalAlloc, Sys, Lookups, Mallocs, Frees, HeapAlloc,
// HeapSys, HeapIdle, HeapInuse, HeapReleased, HeapObjects, StackInuse, StackSys, MSpanInuse,
// MSpanSys, MCacheInuse, MCacheSys, BuckHashSys, GCSys, OtherSys, NextGC, LastGC, PauseTotalNs,
// NumGC (the ring of pauses before NumGC is left out).
enum { GODUMP_MEMSTATS = 25, GODUMP_HEAP_ALLOC = 6, GODUMP_HEAP_OBJECTS = 11 };

struct godump_result {
    // Parameters of the program
    uint64_t base,
        heap_end; // addresses of the arenas; all other addresses here are relative to base
    uint64_t pointer_bytes, is_big_endian, cpus;
    struct godump_text arch, go_version;
    bool has_memstats;
    uint64_t memstats[GODUMP_MEMSTATS];
    enum godump_spans spans;
    bool spans_from_memstats; // the version did not tell (or was contradicted): the dump's own
                              // counts decided
    uint64_t phantoms;        // slots dropped

    // Objects by address
    uint64_t objects;
    uint64_t *obj_addr;    // bytes from base
    uint64_t *obj_content; // where in the dump its bytes begin
    uint32_t *obj_size;    // bytes of the slot
    uint8_t *obj_noscan;
    uint32_t *obj_nslots; // words that the collector reads as pointers
    uint32_t *obj_ptrend; // byte after the last of them
    uint8_t *obj_reach;   // reachable from the roots below
    uint64_t *slot_start; // objects + 1; slots of object i are slot_off[slot_start[i] ..
                          // slot_start[i + 1])
    uint64_t slots;
    uint32_t *slot_off; // byte offset within the object, ascending

    // Non-nil slots that point into a live object
    uint64_t *edge_start; // objects + 1
    uint32_t *edge_count; // per object
    uint64_t edges;
    uint32_t *edge_off;
    int32_t *edge_dst;
    uint32_t *edge_dst_off;

    uint64_t segment[6]; // of data: address, where in the dump its bytes begin, how many; of bss

    uint64_t roots; // by kind, each kind in the order of the dump
    uint8_t *root_kind;
    int32_t *root_g;     // index of the goroutine or -1
    int32_t *root_frame; // index into names or -1
    uint32_t *root_off;
    int32_t *root_dst;
    uint32_t *root_dst_off;

    uint64_t goroutines;
    struct godump_goroutine *goroutine;
    uint64_t frames;
    uint32_t *frame_name; // index into names
    uint64_t names;
    struct godump_text *name;
    uint64_t finalizers;
    struct godump_finalizer *finalizer;
};

// Read a whole dump. `poll` (may be null) is called every few thousand steps; non-zero stops the
// reading. On anything but GODUMP_OK the result is empty and `error` says why.
CORE enum godump_code godump_parse(const void *bytes, uint64_t size, int (*poll)(void *),
                                   void *poll_arg, struct godump_result *result,
                                   struct godump_error *error);
CORE void godump_free(struct godump_result *result);

// Breadth-first search over a graph in compressed rows: sets reach[i] to 1 for what the roots
// reach, 0 for the rest, and returns how many that are. `use` (may be null) leaves out the roots
// where it is 0. `queue` is room for n indices.
CORE uint64_t godump_reach(uint64_t n, const uint64_t *edge_start, const int32_t *edge_dst,
                           uint64_t roots, const uint8_t *root_kind, const int32_t *root_dst,
                           const uint8_t *use, uint8_t *reach, uint32_t *queue);
