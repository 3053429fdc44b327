// Memory from the operating system, and writing to its files. The only file that calls mmap, mprotect, madvise, munmap and write.
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

// Ask for huge pages behind a range of large heaps; only a hint.
CORE void os_prefer_huge_pages(void *base, uint64_t bytes);

// Write all of it; returns 0 or an errno (EAGAIN: a reader that takes nothing for a second).
CORE int os_write(int fd, const char *bytes, uint64_t n);

// Fault injection: fail the n-th fallible call of this thread from now (1 = the next); 0 switches it off.
// Returns what was left of the previous setting.
CORE uint64_t os_fail_after(uint64_t calls);
CORE bool os_fault(void); // count one fallible call; true = it must fail
