// Memory from the operating system, where it lies, and writing to its files. The only file that calls mmap, mprotect, madvise, munmap, mbind,
// get_mempolicy, move_pages and write.
//
// Every call can fail in tests: `os_fault_countdown` (white-box) makes the n-th fallible call from now fail.
#pragma once

#include "base/core.h"

// A reservation: address space without memory (PROT_NONE, not counted against any commit limit).
CORE void *os_reserve(uint64_t bytes, uint64_t alignment);
CORE void os_unreserve(void *base, uint64_t bytes);

// Make [base, base + bytes) of a reservation readable and writable, zeroed when first touched.
CORE bool os_commit(void *base, uint64_t bytes);

// Give the memory of a committed range back to the system; it reads as zero afterwards.
CORE bool os_release(void *base, uint64_t bytes);

// Bytes of a physical page, and of a transparent huge page (0 where there are none).
CORE uint32_t os_page_bytes(void);
CORE uint64_t os_huge_page_bytes(void);

// Take a range away: its memory goes back, and touching it is a fault. Where the system keeps no more mappings it only reads as zero.
CORE void os_fence(void *base, uint64_t bytes);

// Huge pages behind a range, that of a heap made so: a hint, as madvise's; 0, or the errno with which the system has refused it. COLLAPSE makes them
// of the pages that are there and of those that are missing, now.
enum os_huge { OS_HUGE_PREFER, OS_HUGE_NEVER, OS_HUGE_COLLAPSE };
CORE int os_huge_pages(void *base, uint64_t bytes, enum os_huge what);
// The same as the first by default for large heaps, which nobody asked for: it never fails.
CORE void os_prefer_huge_pages(void *base, uint64_t bytes);

// --- nodes of memory (NUMA), by the kernel's calls alone. Nodes are 0 to 63; a set of them has a bit each.
//
// What they are made through, so that a test can play a machine with nodes for its thread. 0, or an errno.
struct os_numa_calls {
    int (*mbind)(void *base, uint64_t bytes, int mode, uint64_t nodes);
    int (*policy_at)(const void *at, int *mode, uint64_t *nodes);
    int (*nodes_of_pages)(void *const *pages, uint64_t n, int *nodes);
    uint32_t (*node_here)(void);
};
// Of this thread, copied; NULL: the kernel's.
CORE void os_set_numa_calls(const struct os_numa_calls *calls);

enum os_place { OS_PLACE_DEFAULT, OS_PLACE_LOCAL, OS_PLACE_INTERLEAVED, OS_PLACE_BOUND };
// From now on pages of the range come from: the node of the thread that touches them first (LOCAL), the set's nodes in turn, or these alone.
// 0, or an errno.
CORE int os_place(void *base, uint64_t bytes, enum os_place how, uint64_t nodes);
// What the kernel has noted for an address (the default: what the process has, local as a rule). 0, or an errno.
CORE int os_place_of(const void *at, enum os_place *how, uint64_t *nodes);
// The nodes that n of the system's pages from `base` on lie on; -1 where there is no memory yet. 0, or an errno.
CORE int os_page_nodes(const void *base, uint64_t n, int32_t *nodes);
// The node of the processor that this thread is on now.
CORE uint32_t os_node_here(void);

// Bytes of a file as memory outside of any reservation. os_copy_file reads them, as many as there are now: *bytes says how many, the rest is zero.
// os_map_file maps them, from a multiple of os_page_bytes on; a page behind the file's end is fatal to who reads it, so only where
// os_never_shrinks: a memory file whose size is sealed. What is written to either stays here. 0, or an errno.
CORE int os_copy_file(int fd, uint64_t offset, uint64_t *bytes, char **base);
CORE int os_map_file(int fd, uint64_t offset, uint64_t bytes, char **base);
CORE bool os_never_shrinks(int fd);
CORE void os_unmap_file(char *base, uint64_t bytes);

// Write all of it; returns 0 or an errno (EAGAIN: a reader that takes nothing for a second).
CORE int os_write(int fd, const char *bytes, uint64_t n);

// Fault injection: fail the n-th fallible call of this thread from now (1 = the next); 0 switches it off.
// Returns what was left of the previous setting.
CORE uint64_t os_fail_after(uint64_t calls);
CORE bool os_fault(void); // count one fallible call; true = it must fail
