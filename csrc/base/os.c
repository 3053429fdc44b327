#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE // Linux 6.1
#define MADV_COLLAPSE 25
#endif

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

CORE int os_huge_pages(void *base, uint64_t bytes, enum os_huge what)
{
    static const int advice[] = {[OS_HUGE_PREFER] = MADV_HUGEPAGE,
                                 [OS_HUGE_NEVER] = MADV_NOHUGEPAGE,
                                 [OS_HUGE_COLLAPSE] = MADV_COLLAPSE};
    if (os_fault())
        return ENOMEM;
    return madvise(base, bytes, advice[what]) == 0 ? 0 : errno;
}

// --- nodes of memory ---------------------------------------------------------------------------------------------

enum { NODE_BITS = 64, PAGES_AT_ONCE = 256 };

static int kernel_mbind(void *base, uint64_t bytes, int mode, uint64_t nodes)
{
    // The kernel takes one off the number of bits. A policy without nodes wants none at all.
    long done = syscall(SYS_mbind, base, bytes, mode, nodes ? &nodes : NULL,
                        nodes ? NODE_BITS + 1ul : 0ul, 0u);
    return done == 0 ? 0 : errno;
}

static int kernel_policy_at(const void *at, int *mode, uint64_t *nodes)
{
    enum { KERNEL_NODES = 1024 }; // it wants room for all that it can have
    uint64_t all[KERNEL_NODES / NODE_BITS] = {0};
    if (syscall(SYS_get_mempolicy, mode, all, (unsigned long)KERNEL_NODES, at,
                (unsigned long)MPOL_F_ADDR) != 0)
        return errno;
    *nodes = all[0];
    return 0;
}

static int kernel_nodes_of_pages(void *const *pages, uint64_t n, int *nodes)
{
    return syscall(SYS_move_pages, 0, n, pages, NULL, nodes, 0) == 0 ? 0 : errno;
}

static uint32_t kernel_node_here(void)
{
    unsigned cpu = 0, node = 0;
    return syscall(SYS_getcpu, &cpu, &node, NULL) == 0 ? node : 0;
}

static const struct os_numa_calls kernel_numa_calls = {kernel_mbind, kernel_policy_at,
                                                       kernel_nodes_of_pages, kernel_node_here};
static _Thread_local struct os_numa_calls os_numa_calls_here
    __attribute__((tls_model("initial-exec"))); // never set outside tests

CORE void os_set_numa_calls(const struct os_numa_calls *calls)
{
    os_numa_calls_here = calls ? *calls : (struct os_numa_calls){0};
}

static const struct os_numa_calls *numa_calls(void)
{
    return os_numa_calls_here.mbind ? &os_numa_calls_here : &kernel_numa_calls;
}

CORE int os_place(void *base, uint64_t bytes, enum os_place how, uint64_t nodes)
{
    static const int mode[] = {[OS_PLACE_DEFAULT] = MPOL_DEFAULT,
                               [OS_PLACE_LOCAL] = MPOL_LOCAL,
                               [OS_PLACE_INTERLEAVED] = MPOL_INTERLEAVE,
                               [OS_PLACE_BOUND] = MPOL_BIND};
    if (os_fault())
        return ENOMEM;
    bool named = how == OS_PLACE_INTERLEAVED || how == OS_PLACE_BOUND;
    return numa_calls()->mbind(base, bytes, mode[how], named ? nodes : 0);
}

CORE int os_place_of(const void *at, enum os_place *how, uint64_t *nodes)
{
    int mode = MPOL_DEFAULT, failed = numa_calls()->policy_at(at, &mode, nodes);
    *how = mode == MPOL_INTERLEAVE ? OS_PLACE_INTERLEAVED
           : mode == MPOL_BIND     ? OS_PLACE_BOUND
           : mode == MPOL_LOCAL    ? OS_PLACE_LOCAL
                                   : OS_PLACE_DEFAULT;
    return failed;
}

CORE int os_page_nodes(const void *base, uint64_t n, int32_t *nodes)
{
    void *pages[PAGES_AT_ONCE];
    int found[PAGES_AT_ONCE];
    uint64_t page_bytes = os_page_bytes();
    for (uint64_t done = 0, some; done < n; done += some) {
        some = n - done < PAGES_AT_ONCE ? n - done : PAGES_AT_ONCE;
        for (uint64_t i = 0; i < some; i++)
            pages[i] = (char *)(uintptr_t)base + (done + i) * page_bytes;
        int failed = numa_calls()->nodes_of_pages(pages, some, found);
        if (failed)
            return failed;
        for (uint64_t i = 0; i < some; i++)
            nodes[done + i] =
                found[i] >= 0 ? found[i] : -1; // an errno: none, or the shared page of zeros
    }
    return 0;
}

CORE uint32_t os_node_here(void) { return numa_calls()->node_here(); }

CORE bool os_release(void *base, uint64_t bytes)
{
    if (os_fault())
        return false;
    return madvise(base, bytes, MADV_DONTNEED) == 0;
}

// --- bytes of files ----------------------------------------------------------------------------------------------

CORE bool os_never_shrinks(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_SHRINK;
}

CORE int os_map_file(int fd, uint64_t offset, uint64_t bytes, char **base)
{
    if (os_fault())
        return ENOMEM;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)offset);
    *base = p == MAP_FAILED ? NULL : p;
    return *base ? 0 : errno;
}

CORE int os_copy_file(int fd, uint64_t offset, uint64_t *bytes, char **base)
{
    if (os_fault())
        return ENOMEM;
    char *p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    uint64_t done = 0;
    while (done < *bytes) {
        ssize_t n = os_fault() ? (errno = EIO, -1)
                               : pread(fd, p + done, *bytes - done, (off_t)(offset + done));
        if (n == 0)
            break; // it has become shorter
        if (n < 0 && errno != EINTR) {
            int failed = errno;
            munmap(p, *bytes);
            return failed;
        }
        done += n > 0 ? (uint64_t)n : 0;
    }
    *bytes = done;
    *base = p;
    return 0;
}

CORE void os_unmap_file(char *base, uint64_t bytes) { munmap(base, bytes); }

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
