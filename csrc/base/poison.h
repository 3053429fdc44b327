// Free memory inside the heap is told to AddressSanitizer, which cannot see inside one big mapping by itself.
//
// Not in the step instantiation: there the whole world is compared and copied by snapshots.
#pragma once

#include "base/core.h"

#if defined(CORE_ASAN) && !GCSIM_STEPS
#include <sanitizer/asan_interface.h>
CORE_INLINE void poison(void *p, uint64_t bytes) { __asan_poison_memory_region(p, bytes); }
CORE_INLINE void unpoison(void *p, uint64_t bytes) { __asan_unpoison_memory_region(p, bytes); }
#else
CORE_INLINE void poison(void *p, uint64_t bytes) { (void)p, (void)bytes; }
CORE_INLINE void unpoison(void *p, uint64_t bytes) { (void)p, (void)bytes; }
#endif

// What a freed slot holds in debug builds and with clobber_free (GODEBUG=clobberfree=1: 0xdeadbeef).
CORE_INLINE void clobber(void *p, uint64_t bytes)
{
    uint32_t *word = p;
    for (uint64_t i = 0; i < bytes / 4; i++)
        word[i] = 0xdeadbeef;
}
