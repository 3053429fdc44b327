#include "lib/pool.h"

#include "lib/slice.h"

#define LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)

// --- the lists of pools ------------------------------------------------------------------------------------------
//
// Two globals: the pools that have been used since the last cycle began (Go: allPools), and those that may have victims (oldPools). Each leads to an array
// that fills from its front, and is replaced by a longer one when it is full; a capacity that no slice has tells the first from a program's globals.

#define POOLS_MARK ((void *)(UINTPTR_MAX - 1))

static gcsim_global *pools_find(gcsim_heap *heap, const gcsim_api *api)
{
    gcsim_global *global = NULL;
    while ((global = api->global_next(heap, global)))
        if (GCSIM_LOAD(&global->words[2]) == POOLS_MARK)
            return global;
    return NULL;
}

static struct pool **list_of(gcsim_global *global, const gcsim_api *api, gcsim_heap *heap,
                             uint64_t *cap)
{
    void *array = LOAD_ACQUIRE(&global->words[0]);
    gcsim_object o;
    bool is_there = array && api->find_object(heap, array, &o) == GCSIM_OK;
    *cap = is_there ? (o.slot_bytes - o.header_bytes) / sizeof(struct pool *) : 0;
    return array;
}

// How many there are: those in front.
static uint64_t list_length(struct pool **list, uint64_t cap)
{
    uint64_t from = 0, to = cap;
    while (from < to) {
        uint64_t middle = (from + to) / 2;
        if (LOAD_ACQUIRE(&list[middle]))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

// The world is stopped (sync/pool.go:poolCleanup).
static void pools_age(gcsim_heap *heap, void *arg)
{
    gcsim_global *all = arg, *old = all->words[1];
    const gcsim_api *api = old->words[1];
    uint64_t cap, n;
    struct pool **list = list_of(old, api, heap, &cap);
    n = list_length(list, cap);
    for (uint64_t i = 0; i < n; i++) {
        GCSIM_STORE(&list[i]->victim, NULL);
        GCSIM_STORE(&list[i]->victim_size, 0);
    }
    list = list_of(all, api, heap, &cap);
    n = list_length(list, cap);
    for (uint64_t i = 0; i < n; i++) {
        struct pool *p = list[i];
        GCSIM_STORE(&p->victim, p->local);
        GCSIM_STORE(&p->victim_size, p->local ? p->local_size : 0);
        GCSIM_STORE(&p->local, NULL);
        GCSIM_STORE(&p->local_size, 0);
    }
    GCSIM_STORE(&old->words[0], all->words[0]);
    GCSIM_STORE(&all->words[0], NULL);
}

LIB gcsim_status pools_begin(gcsim_mutator *m, uint32_t all_name, uint32_t old_name)
{
    gcsim_global *all = pools_find(m->heap, m->api), *old;
    if (all)
        return m->api->at_cycle_start(m, pools_age, all);
    all = m->api->global_new(m, all_name);
    old = all ? m->api->global_new(m, old_name) : NULL;
    gcsim_status status = old ? m->api->at_cycle_start(m, pools_age, all) : GCSIM_NO_MEMORY;
    if (status == GCSIM_OK) { // no pointers into the heap: no barrier
        GCSIM_STORE(&old->words[1], (void *)(uintptr_t)m->api);
        GCSIM_STORE(&all->words[1], old);
        GCSIM_STORE(&all->words[2], POOLS_MARK);
        return GCSIM_OK;
    }
    if (old)
        m->api->global_drop(m, old);
    if (all)
        m->api->global_drop(m, all);
    return status;
}

// A part that was made as large as it is needed now; NULL: parts->count says how large.
static void *part_made(struct pool_parts *parts, enum pool_part part, uint64_t count)
{
    bool fits = parts->made[part] && parts->count[part] == count;
    parts->count[part] = count;
    return fits ? parts->made[part]->ptr : NULL;
}

// The pool is in the list of all, which nobody else puts it into meanwhile.
static enum pool_part list_add(gcsim_mutator *m, struct pool *pool, struct pool_parts *parts)
{
    gcsim_global *all = pools_find(m->heap, m->api);
    for (;;) {
        uint64_t cap, n;
        int64_t more = 0;
        struct pool **list = list_of(all, m->api, m->heap, &cap);
        n = list_length(list, cap);
        if (n < cap) {
            if (m->api->cas(m, (void **)&list[n], NULL, pool))
                return POOL_DONE;
            continue;
        }
        if (!slice_grown_cap(sizeof pool, false, (int64_t)n + 1, (int64_t)n, &more))
            return POOL_LIST; // more than there can be
        struct pool **longer = part_made(parts, POOL_LIST, (uint64_t)more);
        if (!longer)
            return POOL_LIST;
        for (uint64_t i = 0; i < n; i++) // a full list does not change
            gcsim_store(m, &longer[i], LOAD_ACQUIRE(&list[i]));
        gcsim_store(m, &longer[n], pool);
        parts->count[POOL_LIST] = 0; // it is used up
        if (m->api->cas(m, &all->words[0], list, longer))
            return POOL_DONE;
    }
}

// --- pinning -----------------------------------------------------------------------------------------------------

static void unpin(struct pool_local *l) { __atomic_store_n(&l->pinned, 0, __ATOMIC_RELEASE); }

// Who has one pinned is about to let go: it does not wait for anything.
static struct pool_local *claim(gcsim_mutator *m, struct pool_local *locals, uint64_t n)
{
    for (uint64_t i = m->id - 1;; i++) {
        struct pool_local *l = &locals[i % n];
        if (!GCSIM_LOAD(&l->pinned) && !__atomic_exchange_n(&l->pinned, 1, __ATOMIC_ACQUIRE))
            return l;
    }
}

// The caller's part, or NULL and what is missing (sync/pool.go:pinSlow). Who announced the pool and could not list it takes that back: then the next
// who pins does it, even if there are parts by then.
static struct pool_local *pin(gcsim_mutator *m, struct pool *pool, struct pool_parts *parts,
                              enum pool_part *missing)
{
    uint64_t procs = m->api->procs(m->heap);
    for (;;) {
        uint64_t size = 0;
        struct pool_local *l = LOAD_ACQUIRE(&pool->local);
        if (!LOAD_ACQUIRE(&pool->local_size)) {
            if (!__atomic_compare_exchange_n(&pool->local_size, &size, procs, false,
                                             __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
                continue;
            *missing = list_add(m, pool, parts);
            if (*missing == POOL_DONE)
                continue;
            __atomic_store_n(&pool->local_size, 0, __ATOMIC_RELEASE);
            return NULL;
        }
        if (l)
            return claim(m, l, procs);
        l = part_made(parts, POOL_LOCAL, procs);
        if (!l) {
            *missing = POOL_LOCAL;
            return NULL;
        }
        parts->count[POOL_LOCAL] = 0;
        m->api->cas(m, (void **)&pool->local, NULL, l);
    }
}

// --- one dequeue: pushed and popped at its head by who has its part pinned, popped at its tail by anybody -----------------------------------
//
// Slots from tail to head have values. Who takes one moves the index first, so that nobody else has the slot, then empties it; the `type` of a slot, written
// last, says whether it is empty (sync/poolqueue.go:poolDequeue).

enum { DEQUEUE_FIRST = 8, DEQUEUE_LIMIT = 1 << 30 };

static struct eface *dequeue_slot(struct pool_chain_elt *d, uint32_t i)
{
    return &d->ring[i & (uint32_t)(d->len - 1)];
}

static bool dequeue_push(gcsim_mutator *m, struct pool_chain_elt *d, struct eface x)
{
    uint64_t both = LOAD_ACQUIRE(&d->head_tail);
    uint32_t head = (uint32_t)(both >> 32), tail = (uint32_t)both;
    struct eface *slot = dequeue_slot(d, head);
    if ((uint32_t)(tail + d->len) == head || LOAD_ACQUIRE(&slot->type))
        return false; // full, or somebody is still emptying the slot
    gcsim_store(m, &slot->ptr, x.ptr);
    __atomic_store_n(&slot->type, x.type, __ATOMIC_RELAXED);
    __atomic_fetch_add(&d->head_tail, 1ull << 32, __ATOMIC_RELEASE);
    return true;
}

static struct eface slot_take(gcsim_mutator *m, struct eface *slot)
{
    struct eface x = {GCSIM_LOAD(&slot->type), GCSIM_LOAD(&slot->ptr)};
    gcsim_store(m, &slot->ptr, NULL);
    __atomic_store_n(&slot->type, 0, __ATOMIC_RELEASE);
    return x;
}

static struct eface dequeue_pop(gcsim_mutator *m, struct pool_chain_elt *d, bool at_head)
{
    uint64_t both = LOAD_ACQUIRE(&d->head_tail), next;
    uint32_t head, tail;
    do {
        head = (uint32_t)(both >> 32), tail = (uint32_t)both;
        if (head == tail)
            return (struct eface){0};
        next = at_head ? (uint64_t)(head - 1) << 32 | tail
                       : (uint64_t)head << 32 | (uint32_t)(tail + 1);
    } while (!__atomic_compare_exchange_n(&d->head_tail, &both, next, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    return slot_take(m, dequeue_slot(d, at_head ? head - 1 : tail));
}

// --- a chain of them (sync/poolqueue.go:poolChain) ---------------------------------------------------------------------------------------

// The element comes first, then its ring, as in Go.
static enum pool_part chain_grow(gcsim_mutator *m, struct pool_local *l, struct pool_parts *parts)
{
    struct pool_chain_elt *d = l->head;
    uint64_t len = !d ? DEQUEUE_FIRST : d->len >= DEQUEUE_LIMIT / 2 ? DEQUEUE_LIMIT : 2 * d->len;
    struct pool_chain_elt *more = part_made(parts, POOL_ELT, 1);
    struct eface *ring = more ? part_made(parts, POOL_RING, len) : NULL;
    if (!ring)
        return more ? POOL_RING : POOL_ELT;
    more->len = more->cap = len;
    gcsim_store(m, &more->ring, ring);
    gcsim_store(m, &more->prev, d);
    gcsim_store(m, &l->head, more);
    m->api->cas(m, d ? (void **)&d->next : (void **)&l->tail, NULL, more); // thieves see it whole
    return POOL_DONE;
}

static enum pool_part chain_push(gcsim_mutator *m, struct pool_local *l, struct eface x,
                                 struct pool_parts *parts)
{
    if (l->head && dequeue_push(m, l->head, x))
        return POOL_DONE;
    enum pool_part missing = chain_grow(m, l, parts);
    if (missing == POOL_DONE)
        dequeue_push(m, l->head, x);
    return missing;
}

static struct eface chain_pop_head(gcsim_mutator *m, struct pool_local *l)
{
    struct eface x = {0};
    for (struct pool_chain_elt *d = l->head; d && !x.type; d = LOAD_ACQUIRE(&d->prev))
        x = dequeue_pop(m, d, true);
    return x;
}

// One that is empty although there was a newer one before we looked stays empty: it is dropped.
static struct eface chain_pop_tail(gcsim_mutator *m, struct pool_local *l)
{
    struct pool_chain_elt *d = LOAD_ACQUIRE(&l->tail), *newer;
    struct eface x = {0};
    for (; d; d = newer) {
        newer = LOAD_ACQUIRE(&d->next);
        x = dequeue_pop(m, d, false);
        if (x.type || !newer)
            break;
        if (m->api->cas(m, (void **)&l->tail, d, newer))
            gcsim_store(m, &newer->prev, NULL);
    }
    return x;
}

// --- the pool ----------------------------------------------------------------------------------------------------

LIB enum pool_part pool_put(gcsim_mutator *m, struct pool *pool, struct eface x,
                            struct pool_parts *parts)
{
    enum pool_part missing = POOL_DONE;
    struct pool_local *l = pin(m, pool, parts, &missing);
    if (!l)
        return missing;
    if (l->private_value.type) {
        missing = chain_push(m, l, x, parts);
    } else {
        gcsim_store(m, &l->private_value.ptr, x.ptr);
        GCSIM_STORE(&l->private_value.type, x.type);
    }
    unpin(l);
    return missing;
}

// From the parts' tails, part `first` first.
static struct eface steal(gcsim_mutator *m, struct pool_local *locals, uint64_t n, uint64_t first)
{
    struct eface x = {0};
    for (uint64_t i = 0; i < n && !x.type; i++)
        x = chain_pop_tail(m, &locals[(first + i) % n]);
    return x;
}

// What others have, then what is left of the cycle before (sync/pool.go:getSlow).
static struct eface get_slow(gcsim_mutator *m, struct pool *pool, uint64_t pid)
{
    struct eface x = steal(m, LOAD_ACQUIRE(&pool->local), m->api->procs(m->heap), pid + 1);
    uint64_t size = x.type ? 0 : LOAD_ACQUIRE(&pool->victim_size);
    if (pid >= size)
        return x;
    struct pool_local *victims = LOAD_ACQUIRE(&pool->victim);
    x = victims[pid].private_value.type ? slot_take(m, &victims[pid].private_value)
                                        : steal(m, victims, size, pid);
    if (!x.type) // later ones need not look
        __atomic_store_n(&pool->victim_size, 0, __ATOMIC_RELEASE);
    return x;
}

LIB enum pool_part pool_get(gcsim_mutator *m, struct pool *pool, struct pool_parts *parts,
                            struct eface *x)
{
    enum pool_part missing = POOL_DONE;
    struct pool_local *l = pin(m, pool, parts, &missing);
    *x = (struct eface){0};
    if (!l)
        return missing;
    if (l->private_value.type)
        *x = slot_take(m, &l->private_value);
    if (!x->type)
        *x = chain_pop_head(m, l);
    if (!x->type)
        *x = get_slow(m, pool, (uint64_t)(l - LOAD_ACQUIRE(&pool->local)));
    unpin(l);
    return POOL_DONE;
}

LIB void pool_parts_drop(gcsim_mutator *m, struct pool_parts *parts)
{
    for (int i = 0; i < POOL_PARTS; i++)
        if (parts->made[i])
            m->api->handle_drop(m->heap, parts->made[i]);
}

static gcsim_status part_make(gcsim_mutator *m, const struct pool_types *types, enum pool_part part,
                              struct pool_parts *parts)
{
    const gcsim_type *type[POOL_PARTS] = {NULL, types->list, types->local, types->elt,
                                          types->eface};
    if (parts->made[part])
        m->api->handle_drop(m->heap, parts->made[part]);
    void *p = m->api->new_array(m, type[part], parts->count[part]);
    parts->made[part] = p ? m->api->handle_new(m, p) : NULL;
    return parts->made[part] ? GCSIM_OK : p ? GCSIM_NO_MEMORY : m->status;
}

LIB gcsim_status pool_put_value(gcsim_mutator *m, const struct pool_types *types, struct pool *pool,
                                struct eface x)
{
    struct pool_parts parts = {0};
    gcsim_status status = GCSIM_OK;
    enum pool_part missing;
    while (status == GCSIM_OK && (missing = pool_put(m, pool, x, &parts)) != POOL_DONE)
        status = part_make(m, types, missing, &parts);
    pool_parts_drop(m, &parts);
    return status;
}

LIB gcsim_status pool_get_value(gcsim_mutator *m, const struct pool_types *types, struct pool *pool,
                                struct eface *x)
{
    struct pool_parts parts = {0};
    gcsim_status status = GCSIM_OK;
    enum pool_part missing;
    while (status == GCSIM_OK && (missing = pool_get(m, pool, &parts, x)) != POOL_DONE)
        status = part_make(m, types, missing, &parts);
    pool_parts_drop(m, &parts);
    return status;
}

static uint64_t locals_count(const struct pool_local *locals, uint64_t n, bool in_chains)
{
    uint64_t count = 0;
    for (uint64_t i = 0; locals && i < n; i++) {
        if (!in_chains) {
            count += GCSIM_LOAD(&locals[i].private_value.type) != 0;
            continue;
        }
        for (struct pool_chain_elt *d = LOAD_ACQUIRE(&locals[i].tail); d;
             d = LOAD_ACQUIRE(&d->next)) {
            uint64_t both = LOAD_ACQUIRE(&d->head_tail);
            count += (uint32_t)((uint32_t)(both >> 32) - (uint32_t)both);
        }
    }
    return count;
}

LIB struct pool_counts pool_count(const gcsim_api *api, gcsim_heap *heap, const struct pool *pool)
{
    const struct pool_local *local = LOAD_ACQUIRE(&pool->local),
                            *victim = LOAD_ACQUIRE(&pool->victim);
    uint64_t n = api->procs(heap);
    return (struct pool_counts){locals_count(local, n, false), locals_count(local, n, true),
                                locals_count(victim, n, false), locals_count(victim, n, true)};
}

LIB uint64_t pool_rings(const struct pool *pool, uint64_t i, uint64_t *out, uint64_t room)
{
    const struct pool_local *locals = LOAD_ACQUIRE(&pool->local);
    uint64_t n = 0;
    for (struct pool_chain_elt *d = locals ? LOAD_ACQUIRE(&locals[i].tail) : NULL; d && n < room;
         d = LOAD_ACQUIRE(&d->next))
        out[n++] = d->len;
    return n;
}
