// instantiations: fast step
//
// Where the pages of a heap come from: what is asked of the kernel for each option, on a machine with nodes that is played here and on this one;
// advice and placement that are refused; huge pages that are made only where every page has memory. And files as memory, which go when
// nothing in the heap points into them.
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <unistd.h>

// --- a machine with four nodes -----------------------------------------------------------------------------------

enum { NODES = 4, PAGE = 4096 };

static struct {
    void *base;
    uint64_t bytes, nodes;
    int mode, calls, refuse;
} machine;

static int play_mbind(void *base, uint64_t bytes, int mode, uint64_t nodes)
{
    if (machine.refuse)
        return machine.refuse;
    if (nodes >> NODES || (nodes == 0) != (mode == MPOL_LOCAL || mode == MPOL_DEFAULT))
        return EINVAL;
    machine.base = base;
    machine.bytes = bytes;
    machine.mode = mode;
    machine.nodes = nodes;
    machine.calls++;
    return 0;
}
static int play_policy_at(const void *at, int *mode, uint64_t *nodes)
{
    if ((uint64_t)((const char *)at - (char *)machine.base) >= machine.bytes)
        return EFAULT;
    *mode = machine.mode;
    *nodes = machine.nodes;
    return 0;
}
// The pages in turn; each fifth was not touched yet.
static int play_nodes_of_pages(void *const *pages, uint64_t n, int *nodes)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t page = (uintptr_t)pages[i] / PAGE;
        nodes[i] = page % 5 == 0 ? -ENOENT : (int)(page % NODES);
    }
    return 0;
}
static uint32_t play_node_here(void) { return 3; }

static void play(bool on)
{
    static const struct os_numa_calls calls = {play_mbind, play_policy_at, play_nodes_of_pages,
                                               play_node_here};
    memset(&machine, 0, sizeof machine);
    os_set_numa_calls(on ? &calls : NULL);
}

static gcsim_options placed(gcsim_place place, uint64_t nodes)
{
    gcsim_options options = small_heap;
    options.place = place;
    options.place_nodes = nodes;
    return options;
}

static gcsim_status try_heap(gcsim_options options)
{
    gcsim_status status = GCSIM_OK;
    gcsim_heap *heap = API->heap_create(&options, &status);
    if (heap)
        API->heap_destroy(heap);
    return status;
}

static void the_arena_is_placed_as_asked(void)
{
    static const struct {
        gcsim_place place;
        uint64_t nodes, told; // told to the kernel
        int mode;
    } cases[] = {{GCSIM_PLACE_LOCAL, 6, 0, MPOL_LOCAL},
                 {GCSIM_PLACE_INTERLEAVED, 15, 15, MPOL_INTERLEAVE},
                 {GCSIM_PLACE_BOUND, 4, 4, MPOL_BIND}};
    bool ok = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        play(true);
        mut *m = open_heap(placed(cases[i].place, cases[i].nodes));
        gcsim_placement where;
        API->placement(m, &where);
        ok &= EXPECT(machine.calls == 1 && machine.base == H(m->heap)->arena &&
                     machine.bytes == 64 << 20) &&
              EXPECT(machine.mode == cases[i].mode && machine.nodes == cases[i].told) &&
              EXPECT(where.arena == H(m->heap)->arena && where.reserved == 64 << 20) &&
              EXPECT(where.place == cases[i].place && where.noted_place == cases[i].place) &&
              EXPECT(where.noted_nodes == cases[i].told && where.not_noted == 0) &&
              EXPECT(where.node_here == 3);
        close_heap(m);
    }
    play(true);
    mut *m = open_heap(small_heap);
    ok &= EXPECT(machine.calls == 0); // who asks for nothing, for whom nothing is asked
    close_heap(m);
    check(ok, "the arena is placed as asked, and nothing else is");
}

static void what_the_kernel_refuses_is_said(void)
{
    play(true);
    bool ok = EXPECT(try_heap(placed(GCSIM_PLACE_BOUND, 1 << NODES)) == GCSIM_NO_PLACE) &&
              EXPECT(try_heap(placed(GCSIM_PLACES, 1)) == GCSIM_BAD_SIZE);
    machine.refuse = EPERM;
    ok &= EXPECT(try_heap(placed(GCSIM_PLACE_LOCAL, 0)) == GCSIM_NO_PLACE);
    machine.refuse = ENOMEM;
    ok &= EXPECT(try_heap(placed(GCSIM_PLACE_LOCAL, 0)) == GCSIM_NO_MEMORY);
    play(false);
    uint64_t before = reserved_bytes();
    ok &= EXPECT(try_heap(placed(GCSIM_PLACE_BOUND, 1ull << 63)) == GCSIM_NO_PLACE) &&
          EXPECT(try_heap(placed(GCSIM_PLACE_INTERLEAVED, 0)) == GCSIM_NO_PLACE) &&
          EXPECT(reserved_bytes() == before);
    check(ok, "a placement that the kernel refuses makes no heap");
}

static void nodes_of_pages_are_asked_page_by_page(void)
{
    play(true);
    mut *m = open_heap(small_heap);
    const gcsim_type *bytes = make_bytes(m->heap, "bytes", 5 << 20);
    char *p = gcsim_new(m, bytes);
    enum { PAGES = (5 << 20) / PAGE };
    static int32_t nodes[PAGES];
    bool ok = EXPECT(API->page_nodes(m->heap, p, PAGES, nodes) == GCSIM_OK);
    for (uint64_t i = 0; i < PAGES; i++) {
        uint64_t page = (uintptr_t)p / PAGE + i;
        ok &= EXPECT(nodes[i] == (page % 5 == 0 ? -1 : (int)(page % NODES)));
    }
    uint64_t grown = H(m->heap)->grown_pages << PAGE_SHIFT;
    char *arena = H(m->heap)->arena;
    ok &= EXPECT(API->page_nodes(m->heap, arena - 1, 1, nodes) == GCSIM_BAD_ADDRESS) &&
          EXPECT(API->page_nodes(m->heap, arena + grown, 1, nodes) == GCSIM_BAD_ADDRESS) &&
          EXPECT(API->page_nodes(m->heap, arena + grown - 1, 2, nodes) == GCSIM_BAD_ADDRESS) &&
          EXPECT(API->page_nodes(m->heap, arena, UINT64_MAX, nodes) == GCSIM_BAD_ADDRESS);
    close_heap(m);
    play(false);
    check(ok, "each page's node, and none outside the heap");
}

static void cached_spans_are_those_of_the_mutators(void)
{
    mut *m = open_heap(small_heap);
    gcsim_status status;
    mut *other = API->mutator_attach(m->heap, &status);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *wide = make_type(m->heap, "wide", 8, 1);
    gcsim_leave(m);
    gcsim_enter(other);
    void *theirs = gcsim_new(other, node);
    gcsim_leave(other);
    gcsim_enter(m);
    void *mine[] = {gcsim_new(m, node), gcsim_new(m, wide)};
    gcsim_cached_span spans[8];
    uint64_t n = API->cached_spans(m, spans, 8), seen = 0;
    bool ok = EXPECT(n == 3 && API->cached_spans(m, spans, 1) == 3);
    n = API->cached_spans(m, spans, 8);
    for (uint64_t i = 0; i < n; i++) {
        char *base = H(m->heap)->arena + ((uint64_t)spans[i].page << PAGE_SHIFT);
        const void *objects[] = {theirs, mine[0], mine[1]};
        for (int k = 0; k < 3; k++)
            if ((uint64_t)((const char *)objects[k] - base) < spans[i].npages << PAGE_SHIFT)
                seen += EXPECT(spans[i].mutator == (k == 0 ? other->id : m->id));
    }
    check(ok && seen == 3, "each mutator allocates from spans of its own");
    gcsim_leave(m);
    API->mutator_detach(other);
    gcsim_enter(m);
    close_heap(m);
}

// --- huge pages --------------------------------------------------------------------------------------------------

static void advice_is_a_hint(void)
{
    for (uint32_t asked = GCSIM_HUGE_LARGE; asked < GCSIM_HUGE_OPTIONS; asked++) {
        bool reached = true, ok = true;
        for (uint64_t n = 1; reached; n++) {
            gcsim_options options = small_heap;
            options.huge_pages = asked;
            gcsim_status status = GCSIM_OK;
            os_fail_after(n);
            gcsim_heap *heap = API->heap_create(&options, &status);
            reached = os_fail_after(0) == 0;
            ok &= EXPECT(heap || status == GCSIM_NO_MEMORY);
            if (!heap)
                continue;
            int refused = H(heap)->placement.huge_refused;
            ok &= EXPECT(refused == 0 || (reached && refused == ENOMEM)) &&
                  EXPECT(!reached || refused);
            API->heap_destroy(heap);
        }
        check(ok, "huge_pages %u: refused advice makes a heap all the same", asked);
    }
    gcsim_options options = small_heap;
    options.huge_pages = GCSIM_HUGE_OPTIONS;
    check(try_heap(options) == GCSIM_BAD_SIZE, "what is no option is refused");
}

static gcsim_status collapse_all(mut *m, uint64_t *bytes)
{
    uint64_t page = 0, last;
    gcsim_status status;
    *bytes = 0;
    do {
        last = page;
        status = API->collapse_huge_pages(m, &page, bytes);
    } while (status == GCSIM_OK && page != last);
    return status;
}

static void huge_pages_are_made_where_there_is_memory(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *bytes = make_bytes(m->heap, "bytes", 1 << 20);
    gcsim_handle *keep[16];
    for (int i = 0; i < 16; i++) {
        char *p = gcsim_new(m, bytes);
        memset(p, 1, 1 << 20);
        keep[i] = API->handle_new(m, p);
    }
    uint64_t made = 0, released = 0;
    gcsim_memstats before, after;
    gcsim_placement where;
    API->placement(m, &where);
    gcsim_status status = collapse_all(m, &made);
    bool ok = EXPECT(status == GCSIM_OK || status == GCSIM_NO_PLACE) &&
              EXPECT(status != GCSIM_OK || made >= 16 << 20 || made == 0) &&
              EXPECT(where.huge_page_bytes || status == GCSIM_NO_PLACE);
    for (int i = 1; i < 16; i++)
        API->handle_drop(m->heap, keep[i]);
    ok &= EXPECT(API->free_os_memory(m, &released) == GCSIM_OK);
    API->memstats(m, &before);
    gcsim_status again = collapse_all(m, &made);
    API->memstats(m, &after);
    ok &= EXPECT(again == status && before.heap_released == after.heap_released) &&
          EXPECT(made <= 2 << 20); // the rest has none
    check(ok, "huge pages: status %d, %" PRIu64 " KiB of a heap whose memory went back", status,
          made >> 10);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// --- files as memory ----------------------------------------------------------------------------------------------

static int memory_file(int seals)
{
    int fd = memfd_create("file", MFD_ALLOW_SEALING);
    INVARIANT(fd >= 0);
    for (uint64_t i = 0; i < 4096; i++)
        INVARIANT(write(fd, &i, 8) == 8);
    INVARIANT(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static gcsim_mapping map(int fd, uint64_t offset)
{
    gcsim_mapping file;
    INVARIANT(API->map_file(fd, offset, 4096 * 8 - offset, &file) == GCSIM_OK && !file.error);
    return file;
}

static void a_file_is_gone_when_nothing_points_into_it(int seals, uint32_t kind)
{
    int fd = memory_file(seals);
    mut *m = open_heap(small_heap);
    gcsim_mapping file = map(fd, 0);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    uint64_t pointers = 0, *numbers = (uint64_t *)(void *)file.base;
    bool ok = EXPECT(file.kind == kind && file.bytes == 4096 * 8 && numbers[4095] == 4095);
    gcsim_handle *object = API->handle_new(m, gcsim_new(m, node)),
                 *root = API->handle_new(m, &numbers[7]);
    gcsim_store(m, (void **)object->ptr, &numbers[4095]); // the last word of it
    gcsim_goroutine *g = API->goroutine_new(m, 0);
    uint64_t at = API->frame_push(m, g, node, 0);
    *(void **)gcsim_frame_slots(g, at) = numbers;
    ok &= EXPECT(API->collect(m) == GCSIM_OK && verifies(m)) &&
          EXPECT(API->unmap_file(m, &file, &pointers) == GCSIM_BAD_STATE && pointers == 3) &&
          EXPECT(*(uint64_t *)*(void **)object->ptr == 4095 && file.base == (char *)numbers);
    API->handle_drop(m->heap, root);
    API->frame_pop(m, g);
    API->goroutine_end(m, g);
    ok &= EXPECT(API->unmap_file(m, &file, &pointers) == GCSIM_BAD_STATE && pointers == 1);
    gcsim_store(m, (void **)object->ptr, (char *)numbers + file.bytes); // just behind it
    ok &= EXPECT(API->unmap_file(m, &file, &pointers) == GCSIM_OK && pointers == 0) &&
          EXPECT(file.base == NULL && API->unmap_file(m, &file, &pointers) == GCSIM_OK);
    API->unmap_now(&file); // nothing is left to do
    check(ok && verifies(m), "a file (kind %u) goes when nothing points into it", kind);
    close_heap(m);
    close(fd);
}

static void what_becomes_of_the_file_does_not_matter(void)
{
    int fd = memory_file(F_SEAL_GROW);
    gcsim_mapping file = map(fd, 8);
    bool ok = EXPECT(file.kind == GCSIM_MAPPED_COPY && ftruncate(fd, 100) == 0) &&
              EXPECT(*(uint64_t *)(void *)(file.base + 8) == 2);
    API->unmap_now(&file);
    // It was cut off before it was read: as many bytes as there were.
    ok &= EXPECT(API->map_file(fd, 0, 4096 * 8, &file) == GCSIM_OK && file.bytes == 100);
    API->unmap_now(&file);
    ok &= EXPECT(API->map_file(-1, 0, 8, &file) == GCSIM_BAD_STATE && file.error == EBADF) &&
          EXPECT(API->map_file(fd, 0, 0, &file) == GCSIM_OK && file.base == NULL);
    close(fd);
    fd = memory_file(F_SEAL_SHRINK);
    for (uint64_t n = 1; n < 4; n++) {
        uint64_t before = reserved_bytes();
        os_fail_after(n);
        gcsim_status status = API->map_file(fd, n, 8, &file); // a copy: it does not begin at a page
        bool reached = os_fail_after(0) == 0;
        ok &= EXPECT((status == GCSIM_OK) != reached && reserved_bytes() == before);
        API->unmap_now(&file);
    }
    close(fd);
    check(ok, "a file that is cut off, one that is none, and requests that fail");
}

int main(void)
{
    a_file_is_gone_when_nothing_points_into_it(F_SEAL_GROW, GCSIM_MAPPED_COPY);
    a_file_is_gone_when_nothing_points_into_it(F_SEAL_SHRINK, GCSIM_MAPPED_FILE);
    what_becomes_of_the_file_does_not_matter();
    the_arena_is_placed_as_asked();
    what_the_kernel_refuses_is_said();
    nodes_of_pages_are_asked_page_by_page();
    cached_spans_are_those_of_the_mutators();
    advice_is_a_hint();
    huge_pages_are_made_where_there_is_memory();
    return failures != 0;
}
