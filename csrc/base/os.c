#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// Per thread, so that a test that injects faults disturbs no other heap. Never set outside tests. In the static block: a thread's first look at a
// variable of a loaded library allocates otherwise, for which malloc maps an arena of its own for the thread.
static _Thread_local uint64_t os_fault_countdown __attribute__((tls_model("initial-exec")));

CORE uint64_t os_fail_after(uint64_t calls)
{
    uint64_t left = os_fault_countdown;
    os_fault_countdown = calls;
    return left;
}

CORE bool os_fault(void)
{
    if (LIKELY(os_fault_countdown == 0))
        return false;
    return --os_fault_countdown == 0;
}

CORE void *os_reserve(uint64_t bytes, uint64_t alignment)
{
    if (os_fault() || bytes + alignment < bytes)
        return NULL;
    // Over-reserve by the alignment and trim both ends: mmap promises pages only.
    uint64_t asked = bytes + alignment;
    char *p = mmap(NULL, asked, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    char *base = (char *)(((uintptr_t)p + alignment - 1) & ~(uintptr_t)(alignment - 1));
    if (base > p)
        munmap(p, (size_t)(base - p));
    if (base + bytes < p + asked)
        munmap(base + bytes, (size_t)(p + asked - (base + bytes)));
    return base;
}

CORE void os_unreserve(void *base, uint64_t bytes) { munmap(base, bytes); }

CORE bool os_commit(void *base, uint64_t bytes)
{
    if (os_fault())
        return false;
    return bytes == 0 || mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0;
}

CORE uint32_t os_page_bytes(void) { return (uint32_t)sysconf(_SC_PAGESIZE); }

// os_linux.go:getHugePageSize
CORE uint64_t os_huge_page_bytes(void)
{
    char text[32] = "";
    int file = open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    uint64_t bytes = n > 0 ? strtoull(text, NULL, 10) : 0;
    return (bytes & (bytes - 1)) == 0 ? bytes : 0;
}

CORE void os_prefer_huge_pages(void *base, uint64_t bytes) { madvise(base, bytes, MADV_HUGEPAGE); }

CORE bool os_release(void *base, uint64_t bytes)
{
    if (os_fault())
        return false;
    return madvise(base, bytes, MADV_DONTNEED) == 0;
}

CORE int os_write(int fd, const char *bytes, uint64_t n)
{
    enum { PATIENCE_MS = 1000 };
    if (os_fault())
        return EIO;
    for (int waited_ms = 0; n;) {
        ssize_t wrote = write(fd, bytes, n);
        if (wrote >= 0) {
            bytes += wrote;
            n -= (uint64_t)wrote;
        } else if (errno == EAGAIN) { // it does not block
            if (waited_ms++ == PATIENCE_MS)
                return EAGAIN;
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

CORE void os_fence(void *base, uint64_t bytes)
{
    madvise(base, bytes, MADV_DONTNEED);
    mprotect(base, bytes, PROT_NONE); // fails where vm.max_map_count is reached
}
