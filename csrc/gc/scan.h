// Kernels of dense span scans: the pointers in the words of a page that a bitmap names (internal/runtime/gc/scan:ScanSpanPacked).
//
// Pure functions over memory, one for each kind of processor, all of the same result: the words whose bit is set and that are not nil, in
// order, side by side. Which one is taken is decided once for each heap, by what the processor can do.
#pragma once

#include "base/core.h"

enum {
    SCAN_WORDS = 1024,            // of a page
    SCAN_MASKS = SCAN_WORDS / 64, // 64-bit words of a bitmap of them
    SCAN_ROOM = SCAN_WORDS +
        8, // pointers that `out` must have room for: kernels write whole registers
};

// Returns the end of what was written. `page` is aligned to 64 bytes.
typedef char **(*scan_kernel)(char *const *page, const uint64_t masks[SCAN_MASKS], char **out);

struct scan_kind {
    const char *name;
    scan_kernel scan;
    bool (*fits)(void); // this processor has what it needs
};

// The fastest that fits; the last one fits everywhere.
CORE scan_kernel scan_choose(void);
// All that were compiled, the fastest first; NULL behind the last.
CORE const struct scan_kind *scan_kind_at(uint32_t index);

// A bit for each object, and the words of each: object i has the words [i * slot_words, (i + 1) * slot_words).
CORE void scan_expand(const uint64_t *objects, uint32_t nelems, uint32_t slot_words,
                      uint64_t masks[SCAN_MASKS]);
