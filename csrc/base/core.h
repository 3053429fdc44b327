// What every core file starts from: fixed-width integers, the CORE linkage, assertions.
//
// The core is compiled twice (core_fast.c, core_step.c) and each instantiation is one translation unit, so every
// function in it is static. Only the tests' core (CORE_SHARED) is an object of its own, in which CORE is what its headers declare. GCSIM_STEPS is 0 in the first and 1 in the second; GCSIM_DEBUG is 1 in debug and sanitizer builds.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef GCSIM_STEPS
#define GCSIM_STEPS 0
#endif
#ifndef GCSIM_DEBUG
#define GCSIM_DEBUG 0
#endif

// Which sanitizer the build runs under: gcc says it by a macro, clang by a feature.
#if defined(__SANITIZE_ADDRESS__)
#define CORE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CORE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORE_TSAN 1
#endif
#endif

#if defined(CORE_TSAN) && !defined(__clang__)
#pragma GCC diagnostic ignored                                                                     \
    "-Wtsan" // it does not see fences: those pairs are relaxed atomics besides
#endif

#define CORE_LOCAL static __attribute__((unused)) // what a header defines
#ifdef CORE_SHARED
#define CORE
#define CORE_HOT
#define CORE_EXTERN extern
#else
#define CORE        CORE_LOCAL
#define CORE_HOT    CORE_INLINE // a header declares it, a .c file has its body
#define CORE_EXTERN CORE_LOCAL
#endif
#define CORE_INLINE static inline __attribute__((always_inline, unused))
#define COLD        __attribute__((cold, noinline))

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#include "base/bugs.h"

#if GCSIM_STEPS
// Who explores wants to hear of what breaks in a step: it takes the step's end upon itself and does not return. Of the thread, not of a heap.
struct core_catcher {
    void (*caught)(void *arg, const char *file, int line, const char *what);
    void *arg;
};
CORE_EXTERN _Thread_local struct core_catcher core_catcher;
#endif

CORE_LOCAL COLD _Noreturn void core_die(const char *file, int line, const char *what)
{
#if GCSIM_STEPS
    if (core_catcher.caught)
        core_catcher.caught(core_catcher.arg, file, line, what);
#endif
    fprintf(stderr, "gcsim: %s:%d: broken invariant: %s\n", file, line, what);
    abort();
}

// An invariant whose violation means that the heap is already corrupt: checked in every build.
#define INVARIANT(cond) (LIKELY(cond) ? (void)0 : core_die(__FILE__, __LINE__, #cond))

// Checks that cost: debug and sanitizer builds only.
#if GCSIM_DEBUG
#define DEBUG_CHECK(cond) INVARIANT(cond)
#else
#define DEBUG_CHECK(cond) ((void)0)
#endif
