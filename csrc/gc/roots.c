#include "gc/roots.h"

#include "base/bits.h"
#include "gc/barrier.h"
#include "gc/leaks.h"
#include "gc/specials.h"
#include "gc/stack.h"

#define NO_FRAME UINT64_MAX

// --- handles -----------------------------------------------------------------------------------------------------

CORE void handles_take_dropped(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_handle *list = __atomic_exchange_n(&gc->dropped_handles, NULL, __ATOMIC_ACQUIRE);
    while (list) {
        gcsim_handle *next = (gcsim_handle *)list->link;
        EMIT(h, HANDLE_DROP, m->pub.id, list->ptr ? arena_offset(h, list->ptr) : 0, 0);
        if (PLANTED(HANDLE_DROP))
            GCSIM_STORE(&list->ptr, NULL);
        else
            barrier_root(m, &list->ptr, NULL);
        list->link = (uintptr_t)m->free_handles;
        m->free_handles = list;
        list = next;
    }
}

static COLD bool handles_restock(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    handles_take_dropped(m);
    if (m->free_handles)
        return true;
    rt_lock(&h->rt, &gc->roots_lock);
    m->free_handles = gc->free_handles;
    gc->free_handles = NULL;
    rt_unlock(&h->rt, &gc->roots_lock);
    if (m->free_handles)
        return true;
    struct handle_chunk *chunk = meta_alloc(&h->meta, &h->rt, sizeof *chunk);
    if (!chunk)
        return false;
    for (int i = HANDLES_PER_CHUNK - 1; i >= 0; i--) {
        chunk->slots[i].link = (uintptr_t)m->free_handles;
        m->free_handles = &chunk->slots[i];
    }
    rt_lock(&h->rt, &gc->roots_lock);
    chunk->next = gc->handle_chunks;
    gc->handle_chunks = chunk;
    rt_unlock(&h->rt, &gc->roots_lock);
    return true;
}

CORE gcsim_handle *handle_make(struct mutator *m, void *ptr)
{
    struct mheap *h = mheap_of(m);
    if (UNLIKELY(!m->free_handles) && !handles_restock(m)) {
        m->pub.status = GCSIM_NO_MEMORY;
        return NULL;
    }
    gcsim_handle *handle = m->free_handles;
    m->free_handles = (gcsim_handle *)handle->link;
    handle->link = HANDLE_LIVE;
    if (PLANTED(HANDLE_NEW))
        GCSIM_STORE(&handle->ptr, ptr);
    else
        barrier_root(m, &handle->ptr, ptr);
    STEP(h, HANDLE_NEW, m->pub.id, ptr ? arena_offset(h, ptr) : 0, 0);
    return handle;
}

CORE void handle_release(gcsim_heap *heap, gcsim_handle *handle)
{
    gcsim_handle *head = GCSIM_LOAD(&heap->gc.dropped_handles);
    do
        GCSIM_STORE(&handle->link, (uintptr_t)head);
    while (!__atomic_compare_exchange_n(&heap->gc.dropped_handles, &head, handle, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

CORE void handles_give_back(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->roots_lock);
    while (m->free_handles) {
        gcsim_handle *handle = m->free_handles;
        m->free_handles = (gcsim_handle *)handle->link;
        handle->link = (uintptr_t)gc->free_handles;
        gc->free_handles = handle;
    }
    rt_unlock(&h->rt, &gc->roots_lock);
}

CORE uint64_t handles_list(gcsim_heap *heap, void **out, uint64_t room)
{
    uint64_t n = 0;
    for (struct handle_chunk *chunk = heap->gc.handle_chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++)
            if (GCSIM_LOAD(&chunk->slots[i].link) == HANDLE_LIVE) {
                if (n < room)
                    out[n] = chunk->slots[i].ptr;
                n++;
            }
    return n;
}

// --- globals -----------------------------------------------------------------------------------------------------

// Free slots are linked through their second word.
static bool globals_add_chunk(struct mheap *h, struct gc *gc)
{
    struct global_chunk *chunk = meta_alloc(&h->meta, &h->rt, sizeof *chunk);
    if (!chunk)
        return false;
    for (int i = GLOBALS_PER_CHUNK - 1; i >= 0; i--) {
        chunk->slots[i].words[1] = gc->free_globals;
        gc->free_globals = &chunk->slots[i];
    }
    if (gc->last_global_chunk) // at the end, so that globals keep the order in which they were made
        gc->last_global_chunk->next = chunk;
    else
        gc->global_chunks = chunk;
    gc->last_global_chunk = chunk;
    return true;
}

CORE gcsim_global *global_make(struct mutator *m, uint32_t name)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_global *global = NULL;
    rt_lock(&h->rt, &gc->roots_lock);
    if (gc->free_globals || globals_add_chunk(h, gc)) {
        global = gc->free_globals;
        gc->free_globals = global->words[1];
        global->words[1] = NULL; // the first is nil already, and a marker may look at it
        global->name = name;
        GCSIM_STORE(&global->in_use, 1);
        count_add(&gc->globals_scan, sizeof global->words);
    } else {
        m->pub.status = GCSIM_NO_MEMORY;
    }
    rt_unlock(&h->rt, &gc->roots_lock);
    return global;
}

CORE void global_release(struct mutator *m, gcsim_global *global)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_store(&m->pub, &global->words[0], NULL);
    rt_lock(&h->rt, &gc->roots_lock);
    global->words[1] = gc->free_globals;
    global->words[2] = NULL;
    global->name = 0;
    GCSIM_STORE(&global->in_use, 0);
    gc->free_globals = global;
    count_add(&gc->globals_scan, -sizeof global->words);
    rt_unlock(&h->rt, &gc->roots_lock);
}

CORE gcsim_global *global_after(gcsim_heap *heap, gcsim_global *after)
{
    bool found = !after;
    for (struct global_chunk *chunk = heap->gc.global_chunks; chunk; chunk = chunk->next) {
        if (!found && (after < chunk->slots || after >= chunk->slots + GLOBALS_PER_CHUNK))
            continue;
        for (int i = found ? 0 : (int)(after - chunk->slots) + 1; i < GLOBALS_PER_CHUNK; i++)
            if (chunk->slots[i].in_use)
                return &chunk->slots[i];
        found = true;
    }
    return NULL;
}

// --- goroutines --------------------------------------------------------------------------------------------------

static struct goroutine *goroutine_of(gcsim_goroutine *g) { return (struct goroutine *)g; }

CORE gcsim_goroutine *goroutine_make(struct mutator *m, uint32_t name)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_span *stack = mheap_alloc_manual(h, 1, GCSIM_MANUAL_STACK, &m->pub.status);
    if (!stack)
        return NULL;
    rt_lock(&h->rt, &gc->roots_lock);
    struct goroutine *g = gc->dead_goroutines;
    uint64_t go_stack = g && gc->starting_stack ? gc->starting_stack : STACK_MIN; // (proc.go:gfget)
    if (g)
        gc->dead_goroutines = g->next;
    else
        g = meta_alloc(&h->meta, &h->rt, sizeof *g);
    if (g) {
        g->pub.go_stack = go_stack;
        count_add(&gc->go_stacks, go_stack);
        // next_serial goes on: frames of the one before in its place stay told apart. Whoever still knows that one looks at its id.
        g->pub.stack = stack->base;
        g->pub.stack_bytes = PAGE_BYTES;
        g->pub.top = NO_FRAME;
        g->pub.used = g->pub.depth = 0;
        g->pub.name = name;
        g->pub.in_use = 1;
        g->pub.waiting = NULL;
        g->pub.param = NULL;
        g->pub.wait_reason = g->pub.leaked = 0;
        g->owner = m;
        g->held_back = false;
        GCSIM_STORE(&g->pub.id, ++gc->next_goroutine_id);
        g->next = NULL;
        g->before = gc->last_goroutine;
        if (g->before) // at the end: listed in the order in which they were made
            g->before->next = g;
        else
            gc->goroutines = g;
        gc->last_goroutine = g;
    }
    rt_unlock(&h->rt, &gc->roots_lock);
    if (!g) {
        mheap_free(h, stack);
        m->pub.status = GCSIM_NO_MEMORY;
        return NULL;
    }
    return &g->pub;
}

CORE void goroutine_finish(struct mutator *m, gcsim_goroutine *pub)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct goroutine *g = goroutine_of(pub);
    mheap_free(h, span_of(h, pub->stack));
    rt_lock(&h->rt, &gc->roots_lock);
    if (g->before)
        g->before->next = g->next;
    else
        gc->goroutines = g->next;
    if (g->next)
        g->next->before = g->before;
    else
        gc->last_goroutine = g->before;
    g->before = NULL;
    g->pub.stack = NULL;
    count_add(&gc->go_stacks, -g->pub.go_stack);
    g->pub.stack_bytes = g->pub.used = g->pub.go_stack = 0;
    g->pub.top = NO_FRAME;
    g->pub.in_use = g->pub.name = g->pub.depth = 0;
    g->pub.waiting = NULL;
    g->pub.param = NULL;
    g->held_back = false;
    GCSIM_STORE(&g->pub.wait_reason, 0u);
    GCSIM_STORE(&g->pub.leaked, 0u);
    GCSIM_STORE(&g->pub.id, 0u);
    g->next = gc->dead_goroutines;
    gc->dead_goroutines = g;
    rt_unlock(&h->rt, &gc->roots_lock);
}

CORE void goroutines_disown(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->roots_lock);
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        if (g->owner == m)
            g->owner = NULL;
    rt_unlock(&h->rt, &gc->roots_lock);
}

CORE gcsim_goroutine *goroutine_after(gcsim_heap *heap, gcsim_goroutine *after)
{
    struct goroutine *g = after ? goroutine_of(after)->next : heap->gc.goroutines;
    return g ? &g->pub : NULL;
}

CORE uint64_t goroutines_list(struct mheap *h, gcsim_goroutine_info *out, uint64_t room)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t n = 0;
    rt_lock(&h->rt, &gc->roots_lock);
    for (struct goroutine *g = gc->goroutines; g; g = g->next, n++)
        if (n < room)
            out[n] =
                (gcsim_goroutine_info){&g->pub, g->pub.id, g->pub.name,
                                       GCSIM_LOAD(&g->pub.wait_reason), GCSIM_LOAD(&g->pub.leaked)};
    rt_unlock(&h->rt, &gc->roots_lock);
    return n;
}

// Twice the stack; frames hold no pointers into it, so a copy is all (stack.go:copystack).
static bool stack_grow(struct mutator *m, gcsim_goroutine *g, uint64_t need)
{
    struct mheap *h = mheap_of(m);
    uint64_t bytes = g->stack_bytes;
    while (bytes < need)
        bytes *= 2;
    gcsim_span *stack =
        mheap_alloc_manual(h, bytes / PAGE_BYTES, GCSIM_MANUAL_STACK, &m->pub.status);
    if (!stack)
        return false;
    memcpy(stack->base, g->stack, g->used);
    mheap_free(h, span_of(h, g->stack));
    g->stack = stack->base;
    g->stack_bytes = bytes;
    return true;
}

CORE uint64_t goroutine_push(struct mutator *m, gcsim_goroutine *g, const gcsim_type *t,
                             uint32_t name)
{
    uint64_t need = g->used + sizeof(gcsim_frame) + round_up(t->bytes, 8);
    m->pub.status = GCSIM_OK;
    if (t->bytes > 1ull << 30) { // Go's largest stack on 64 bits (proc.go:main)
        m->pub.status = GCSIM_BAD_SIZE;
        return NO_FRAME;
    }
    uint64_t frame_bytes = need - g->used, go_stack = g->go_stack;
    if (stack_is_short(go_stack, g->used, frame_bytes) &&
        !(go_stack = stack_grown(go_stack, g->used, frame_bytes))) {
        m->pub.status = GCSIM_BAD_SIZE; // stack overflow
        return NO_FRAME;
    }
    if (need > g->stack_bytes && !stack_grow(m, g, need))
        return NO_FRAME;
    count_add(&heap_of(mheap_of(m))->gc.go_stacks, go_stack - g->go_stack);
    g->go_stack = go_stack;
    uint64_t offset = g->used;
    gcsim_frame *frame = gcsim_frame_at(g, offset);
    memset(frame, 0, need - offset);
    *frame = (gcsim_frame){
        .type = t, .caller = g->top, .name = name, .serial = ++goroutine_of(g)->next_serial};
    g->top = offset;
    g->used = need;
    g->depth++;
    return offset;
}

CORE gcsim_status goroutine_pop(struct mutator *m, gcsim_goroutine *g)
{
    (void)m;
    if (g->top == NO_FRAME)
        return GCSIM_BAD_STATE;
    g->used = g->top;
    g->top = gcsim_frame_at(g, g->top)->caller;
    g->depth--;
    return GCSIM_OK;
}

CORE uint64_t roots_stack_bytes(gcsim_heap *heap)
{
    uint64_t bytes = 0;
    for (struct goroutine *g = heap->gc.goroutines; g; g = g->next)
        bytes += g->pub.used;
    return bytes;
}

CORE void roots_count_stacks(gcsim_heap *heap)
{
    struct gc *gc = &heap->gc;
    gc->scanned_stack_bytes = gc->scanned_stacks = 0;
    for (struct goroutine *g = gc->goroutines; g; g = g->next) {
        uint64_t shrunk = stack_shrunk(g->pub.go_stack, g->pub.used);
        count_add(&gc->go_stacks, shrunk - g->pub.go_stack);
        g->pub.go_stack = shrunk;
        gc->scanned_stack_bytes += g->pub.used;
        gc->scanned_stacks++;
    }
}

// --- batches -----------------------------------------------------------------------------------------------------

CORE gcsim_batch *batch_make(struct mutator *m, uint64_t count)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (count > TYPE_MAX_BYTES / 8) {
        m->pub.status = GCSIM_BAD_SIZE;
        return NULL;
    }
    uint64_t pages = count ? divide_up(count * 8, PAGE_BYTES) : 1;
    gcsim_span *s = mheap_alloc_manual(h, pages, GCSIM_MANUAL_BATCH, &m->pub.status);
    if (!s)
        return NULL;
    if (s->needzero)
        memset(s->base, 0, count * 8);
    rt_lock(&h->rt, &gc->roots_lock);
    struct batch *b = gc->dead_batches;
    if (b)
        gc->dead_batches = b->next;
    else
        b = meta_alloc(&h->meta, &h->rt, sizeof *b);
    if (b) {
        *b = (struct batch){.pub = {.objects = (void **)(void *)s->base,
                                    .count = count,
                                    .strong = 1,
                                    .in_use = 1,
                                    .pages = (uint32_t)pages},
                            .next = gc->batches,
                            .span = s};
        gc->batches = b;
    }
    rt_unlock(&h->rt, &gc->roots_lock);
    if (!b) {
        mheap_free(h, s);
        m->pub.status = GCSIM_NO_MEMORY;
        return NULL;
    }
    return &b->pub;
}

CORE void batch_release(struct mutator *m, gcsim_batch *pub)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct batch *b = (struct batch *)pub;
    gcsim_span *span = b->span;
    rt_lock(&h->rt, &gc->roots_lock);
    struct batch **link = &gc->batches;
    while (*link != b)
        link = &(*link)->next;
    *link = b->next;
    if (gc->clearing_batch == b) {
        gc->clearing_batch = b->next;
        gc->clearing_at = 0;
    }
    *b = (struct batch){.next = gc->dead_batches};
    gc->dead_batches = b;
    rt_unlock(&h->rt, &gc->roots_lock);
    mheap_free(h, span);
}

// Marked, or made since. Nothing has been swept.
static bool entry_lives(struct mheap *h, void *p)
{
    gcsim_span *s = span_of(h, p);
    if (!s || s->state != GCSIM_SPAN_IN_USE || mark_is_set(s, span_index(s, p)))
        return true;
    uint32_t sweepgen = GCSIM_LOAD(&s->sweepgen); // waits, or is still cached from before
    return sweepgen != h->sweepgen - 2 && sweepgen != h->sweepgen + 1;
}

CORE void roots_begin_clearing(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->clearing_batch = NULL;
    for (struct batch *b = gc->batches; b; b = b->next)
        if (!b->pub.strong) {
            GCSIM_STORE(&b->pub.clearing, 1u);
            gc->clearing_batch = gc->batches;
        }
    gc->clearing_at = 0;
    GCSIM_STORE(&gc->clearing, (uint32_t)(gc->clearing_batch != NULL));
}

// `roots_lock` is held. Weak batches only: what became strong or was made since is skipped.
static void clear_entries(struct mheap *h, struct gc *gc, uint64_t n)
{
    struct batch *b = gc->clearing_batch;
    uint64_t at = gc->clearing_at, end = b->pub.count - at < n ? b->pub.count : at + n;
    for (; b->pub.clearing && at < end; at++) {
        void *p = b->pub.objects[at];
        if (p && !entry_lives(h, p))
            GCSIM_STORE(&b->pub.objects[at], NULL);
    }
    gc->clearing_at = at;
    if (b->pub.clearing && at < b->pub.count)
        return;
    __atomic_store_n(&b->pub.clearing, 0u, __ATOMIC_RELEASE);
    gc->clearing_batch = b->next;
    gc->clearing_at = 0;
}

CORE bool roots_clear_piece(struct mheap *h)
{
    enum { PIECE = 4096 };
    struct gc *gc = &heap_of(h)->gc;
    if (!GCSIM_LOAD(&gc->clearing))
        return false;
    rt_lock(&h->rt, &gc->roots_lock);
    if (gc->clearing_batch)
        clear_entries(h, gc, PIECE);
    if (!gc->clearing_batch)
        __atomic_store_n(&gc->clearing, 0u, __ATOMIC_RELEASE);
    rt_unlock(&h->rt, &gc->roots_lock);
    return true;
}

// The lock keeps clearing from its end, and so sweeping from its beginning.
CORE void *batch_read(struct mutator *m, gcsim_batch *batch, uint64_t index)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->roots_lock);
    void *p = batch->objects[index];
    if (p && batch->clearing && !entry_lives(h, p))
        p = NULL;
    rt_unlock(&h->rt, &gc->roots_lock);
    if (p && h->blacken)
        mark_shade(m, p);
    return p;
}

// --- all of them -------------------------------------------------------------------------------------------------

static void visit_slots(struct mheap *h, void **slots, uint64_t n, uint64_t stride,
                        mark_visit visit, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        if (GCSIM_LOAD(&slots[i * stride]))
            visit(h, &slots[i * stride], ctx);
}

CORE void goroutine_visit(struct mheap *h, gcsim_goroutine *g, mark_visit visit, void *ctx)
{
    for (uint64_t at = g->top; at != NO_FRAME;
         at = PLANTED(TOP_FRAME) ? NO_FRAME : gcsim_frame_at(g, at)->caller) {
        const gcsim_type *t = gcsim_frame_at(g, at)->type;
        if (heap_of(h)->gc.conservative_stacks)
            visit_slots(h, gcsim_frame_slots(g, at), t->bytes / 8, 1, visit, ctx);
        else
            typed_pointers(h, t, gcsim_frame_slots(g, at), 1, visit, ctx);
    }
    visit_slots(h, (void **)&g->waiting, 1, 1, visit, ctx);
    visit_slots(h, &g->param, 1, 1, visit, ctx);
}

static void root_job(struct mheap *h)
{
    uint64_t job = __atomic_fetch_add(&heap_of(h)->gc.root_jobs, 1, __ATOMIC_RELAXED);
    STEP(h, MARK_ROOT, 0, 0, job);
}

CORE void roots_prepare(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->root_jobs = 0;
    gc->next_globals = gc->global_chunks;
    gc->next_handles = gc->handle_chunks;
    leaks_prepare(h);
    specials_prepare(h);
}

CORE void roots_forget(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->next_globals = NULL;
    gc->next_handles = NULL;
    leaks_forget(h);
    specials_forget(h);
}

CORE void roots_visit_stopped(struct mheap *h, mark_visit visit, void *ctx)
{
    struct gc *gc = &heap_of(h)->gc;
    for (struct batch *b = gc->batches; b; b = b->next)
        if (b->pub.strong) {
            root_job(h);
            visit_slots(h, b->pub.objects, b->pub.count, 1, visit, ctx);
        }
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        if (!g->held_back && (!g->owner || !g->owner->stacks_grey)) {
            root_job(h);
            goroutine_visit(h, &g->pub, visit, ctx);
        }
    for (struct mutator *m = h->mutators; m;
         m = m->next) { // current tiny blocks live on (mgcmark.go:gcMarkTinyAllocs)
        root_job(h);
        if (!PLANTED(TINY_BLOCK))
            visit_slots(h, (void **)&m->tiny, 1, 1, visit, ctx);
        visit_slots(h, &m->keep, 1, 1, visit, ctx);
    }
}

CORE void roots_visit_frames(struct mheap *h, const struct mutator *owner, mark_visit visit,
                             void *ctx)
{
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->roots_lock);
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        if (!owner || g->owner == owner) {
            root_job(h);
            goroutine_visit(h, &g->pub, visit, ctx);
        }
    rt_unlock(&h->rt, &gc->roots_lock);
}

CORE bool roots_may_wait(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->roots_lock);
    bool any = m->keep || gc->batches || gc->goroutines;
    rt_unlock(&h->rt, &gc->roots_lock);
    return any;
}

static void visit_globals(struct mheap *h, struct global_chunk *chunk, mark_visit visit, void *ctx)
{
    visit_slots(h, &chunk->slots[0].words[0], GLOBALS_PER_CHUNK, sizeof(gcsim_global) / 8, visit,
                ctx);
    uint64_t in_use = 0;
    for (int i = 0; i < GLOBALS_PER_CHUNK; i++)
        in_use += GCSIM_LOAD(&chunk->slots[i].in_use);
    count_add(&heap_of(h)->gc.globals_work, in_use * sizeof chunk->slots[0].words);
}

CORE bool roots_are_left(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    return GCSIM_LOAD(&gc->next_globals) || GCSIM_LOAD(&gc->next_handles) || specials_are_left(h);
}

// Chunks that are made later need no job: what is put into them is shaded then.
CORE bool roots_next(struct mutator *m, mark_visit visit, void *ctx)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (!roots_are_left(h))
        return false;
    rt_lock(&h->rt, &gc->roots_lock);
    struct global_chunk *globals = gc->next_globals;
    struct handle_chunk *handles = globals ? NULL : gc->next_handles;
    if (globals)
        GCSIM_STORE(&gc->next_globals, globals->next);
    if (handles)
        GCSIM_STORE(&gc->next_handles, handles->next);
    rt_unlock(&h->rt, &gc->roots_lock);
    if (!globals && !handles) {
        if (!specials_next(m, visit, ctx))
            return false;
        root_job(h);
        return true;
    }
    root_job(h);
    if (globals)
        visit_globals(h, globals, visit, ctx);
    else
        visit_slots(h, &handles->slots[0].ptr, HANDLES_PER_CHUNK, sizeof(gcsim_handle) / 8, visit,
                    ctx);
    return true;
}
