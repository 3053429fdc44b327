// How large Go makes the stack of a goroutine, as pure functions over bytes (runtime/stack.go, internal/abi/stack.go).
//
// Frames here have no red zone and no signal handlers under them, so their memory needs less: it is in whole pages and grows when it is
// full (gc/roots.c). Beside it each goroutine keeps the size that its stack has in Go, by which the pacer and those who ask judge it.
#pragma once

#include "base/core.h"

enum {
    STACK_MIN = 2048,      // stack.go:stackMin
    STACK_NOSPLIT = 800,   // abi/stack.go:StackNosplitBase
    STACK_SMALL = 128,     // abi/stack.go:StackSmall
    STACK_GUARD = 928,     // stackguard.go:stackGuard = nosplit + small
    STACK_MAX = 1000000000 // proc.go:main, SetMaxStack
};

// Does the prologue of a function with a frame of so many bytes call for more stack? (cmd/internal/obj/x86/obj6.go:stacksplit)
CORE bool stack_is_short(uint64_t size, uint64_t used, uint64_t frame);
// Then: the size it grows to, 0 for a stack overflow (newstack).
CORE uint64_t stack_grown(uint64_t size, uint64_t used, uint64_t frame);
// The size after a collection has scanned it (shrinkstack).
CORE uint64_t stack_shrunk(uint64_t size, uint64_t used);
// What goroutines that are made of dead ones begin with, after so many stacks with so many bytes in use were scanned
// (gcComputeStartingStackSize).
CORE uint64_t stack_starting(uint64_t scanned_bytes, uint64_t scanned_stacks);
