// What `gcsim.lowlevel` sees: the public API (gcsim.h, api.def) and the white-box tables (whitebox.def), one of each per instantiation,
// and lib (lib.def), which is over either.
//
// C reads this file behind gcsim.h; with GCSIM_CDEF defined and run through the preprocessor it is what cffi is told.
#ifndef GCSIM_FFI_CDEF_H
#define GCSIM_FFI_CDEF_H

#include "gcsim/gcsim.h"

struct limiter;
struct map_replay;
struct pacer;
struct pagealloc_replay;
struct world_log;

/* The calls of base/os.h:os_numa_calls. */
typedef int gcsim_mbind(void *base, uint64_t bytes, int mode, uint64_t nodes);
typedef int gcsim_policy_at(const void *at, int *mode, uint64_t *nodes);
typedef int gcsim_nodes_of_pages(void *const *pages, uint64_t n, int *nodes);
typedef uint32_t gcsim_node_here(void);

#define WB(ret, name, n, ...) ret (*name)(API_TYPES_##n(__VA_ARGS__));
typedef struct gcsim_whitebox {
    uint32_t bytes; /* sizeof(gcsim_whitebox) */
    uint32_t steps; /* 1: the step instantiation */
#include "whitebox.def"
} gcsim_whitebox;
#undef WB

#define LIB_CALL(ret, name, n, ...) ret (*name)(API_TYPES_##n(__VA_ARGS__));
typedef struct gcsim_lib_calls {
    uint32_t bytes; /* sizeof(gcsim_lib_calls) */
#include "ffi/lib.def"
} gcsim_lib_calls;
#undef LIB_CALL

#ifdef GCSIM_CDEF
const gcsim_api *gcsim_fast(void);
const gcsim_api *gcsim_steps(void);
#endif
const gcsim_whitebox *gcsim_whitebox_fast(void);
const gcsim_whitebox *gcsim_whitebox_steps(void);
const gcsim_lib_calls *gcsim_lib(void);

#endif
