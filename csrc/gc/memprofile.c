#include "gc/memprofile.h"

#include "alloc/sample.h"
#include "base/bits.h"
#include "gc/specials.h"
#include "gc/world.h"

static struct memprofile *profile_of(struct mheap *h) { return &heap_of(h)->gc.memprofile; }

// --- buckets -----------------------------------------------------------------------------------------------------

static uint64_t hash_key(const struct bucket_key *key)
{
    const uint64_t parts[] = {key->site, key->type, key->tier, key->slot_bytes};
    uint64_t hash = 14695981039346656037ull; // FNV-1a, by words
    for (int i = 0; i < 4; i++)
        hash = (hash ^ parts[i]) * 1099511628211ull;
    return hash ^ hash >> 32;
}

static bool same_key(const struct bucket_key *a, const struct bucket_key *b)
{
    return a->site == b->site && a->type == b->type && a->tier == b->tier &&
           a->slot_bytes == b->slot_bytes;
}

// Chains have one bucket on average. Where there is no memory for a larger table they grow.
static void grow_table(struct mheap *h, struct memprofile *p)
{
    enum { FIRST_ROOM = 64 };
    uint64_t room = p->room ? p->room * 2 : FIRST_ROOM;
    struct bucket **table = meta_alloc(&h->meta, &h->rt, room * sizeof *table);
    if (!table)
        return;
    for (struct bucket *b = p->all; b; b = b->older) {
        struct bucket **chain = &table[hash_key(&b->key) & (room - 1)];
        b->next = *chain;
        *chain = b;
    }
    meta_free(&h->meta, &h->rt, p->table, p->room * sizeof *table);
    count_add(&p->bytes, (room - p->room) * sizeof *table);
    p->table = table;
    p->room = room;
}

// mprof.go:stkbucket. NULL: no memory.
static struct bucket *find_bucket(struct mheap *h, const struct bucket_key *key)
{
    struct memprofile *p = profile_of(h);
    if (p->buckets >= p->room)
        grow_table(h, p);
    if (!p->room)
        return NULL;
    struct bucket **chain = &p->table[hash_key(key) & (p->room - 1)];
    for (struct bucket *b = *chain; b; b = b->next)
        if (same_key(&b->key, key))
            return b;
    struct bucket *b = meta_alloc(&h->meta, &h->rt, sizeof *b);
    if (!b)
        return NULL;
    b->key = *key;
    b->next = *chain;
    *chain = b;
    b->older = p->all;
    GCSIM_STORE(&p->all, b);
    p->buckets++;
    count_add(&p->bytes, sizeof *b);
    return b;
}

static void add_counts(struct bucket_counts *to, const struct bucket_counts *from)
{
    to->allocs += from->allocs;
    to->frees += from->frees;
}

static void bucket_publish(struct bucket *b, uint64_t cycle)
{
    struct bucket_counts *counts = &b->future[cycle % BUCKET_CYCLES];
    add_counts(&b->active, counts);
    *counts = (struct bucket_counts){0};
}

// mprof.go:mProf_FlushLocked.
static void publish_all(struct memprofile *p, uint64_t cycle)
{
    for (struct bucket *b = p->all; b; b = b->older)
        bucket_publish(b, cycle);
}

// --- samples -----------------------------------------------------------------------------------------------------

static uint32_t tier_of(const gcsim_span *s, uint64_t bytes)
{
    if (span_class_size_class(s->span_class) == LARGE_SIZE_CLASS)
        return GCSIM_TIER_LARGE;
    return s->span_class == TINY_SPAN_CLASS && bytes < TINY_BYTES ? GCSIM_TIER_TINY
                                                                  : GCSIM_TIER_SMALL;
}

CORE void memprofile_sample(struct mutator *m, void *p, const gcsim_type *t, uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    struct memprofile *profile = profile_of(h);
    gcsim_span *s = span_of(h, p);
    struct bucket_key key = {
        .site = m->pub.site, .type = t->id, .tier = tier_of(s, bytes), .slot_bytes = s->slot_bytes};
    struct sample *sample = meta_alloc(&h->meta, &h->rt, sizeof *sample);
    specials_lock(h);
    struct bucket *b = sample ? find_bucket(h, &key) : NULL;
    if (b) {
        *sample = (struct sample){.special = {.ptr = p, .kind = SPECIAL_PROFILE}, .bucket = b};
        b->future[(profile->cycle + 2) % BUCKET_CYCLES].allocs++;
        special_add(h, s, &sample->special);
    } else {
        profile->lost++;
    }
    specials_unlock(h);
    if (!b)
        meta_free(&h->meta, &h->rt, sample, sizeof *sample);
}

CORE void memprofile_free(struct mheap *h, gcsim_special *special)
{
    struct sample *sample = (struct sample *)special;
    sample->bucket->future[(profile_of(h)->cycle + 1) % BUCKET_CYCLES].frees++;
    meta_free(&h->meta, &h->rt, sample, sizeof *sample);
}

// --- cycles ------------------------------------------------------------------------------------------------------

static void flush_locked(struct memprofile *p)
{
    if (!p->flushed)
        publish_all(p, p->cycle);
    p->flushed = true;
}
static void cycle_begins(struct memprofile *p)
{
    p->cycle++;
    p->flushed = false;
}
static void cycle_is_swept(struct memprofile *p) { publish_all(p, p->cycle + 1); }

// Flushes, then what else there is to do: another cycle may end before this one's flush has had its turn. Without samples there is nothing
// to do: no lock is taken.
static void flush_and(struct mheap *h, void (*then)(struct memprofile *p))
{
    struct memprofile *p = profile_of(h);
    if (!GCSIM_LOAD(&p->all))
        return;
    specials_lock(h);
    flush_locked(p);
    if (then)
        then(p);
    specials_unlock(h);
}

CORE void memprofile_next_cycle(struct mheap *h) { flush_and(h, cycle_begins); }
CORE void memprofile_flush(struct mheap *h) { flush_and(h, NULL); }
CORE void memprofile_post_sweep(struct mheap *h) { flush_and(h, cycle_is_swept); }

// --- from outside ------------------------------------------------------------------------------------------------

// Windows were cut for the rate before, so they are given back. (In Go each P samples its next object when it sees another rate.)
CORE int64_t memprofile_set_rate(struct mutator *m, int64_t rate)
{
    struct mheap *h = mheap_of(m);
    world_stop(m);
    int64_t before = (int64_t)h->sample_rate;
    if (rate >= 0 && rate != before) {
        for (struct mutator *other = h->mutators; other; other = other->next)
            mcache_return_windows(other);
        h->sample_rate = (uint64_t)rate;
        for (struct mutator *other = h->mutators; other; other = other->next)
            sample_reset(other);
    }
    world_start(m);
    return before;
}

// Nothing was published yet: no cycle has ended, perhaps none ever will.
static bool is_unpublished(const struct memprofile *p)
{
    for (const struct bucket *b = p->all; b; b = b->older)
        if (b->active.allocs || b->active.frees)
            return false;
    return true;
}

static uint32_t size_class_of(const struct bucket_key *key)
{
    uint32_t c = key->tier == GCSIM_TIER_LARGE ? LARGE_SIZE_CLASS : 1;
    while (c && size_class_slot_bytes[c] != key->slot_bytes)
        c++;
    return c;
}

static gcsim_profile_record record_of(const struct bucket *b)
{
    return (gcsim_profile_record){.site = b->key.site,
                                  .type = b->key.type,
                                  .tier = b->key.tier,
                                  .size_class = size_class_of(&b->key),
                                  .slot_bytes = b->key.slot_bytes,
                                  .allocs = b->active.allocs,
                                  .frees = b->active.frees};
}

// mprof.go:memProfileInternal, with the records of which nothing is in use.
CORE uint64_t memprofile_read(struct mheap *h, gcsim_profile *about, gcsim_profile_record *out,
                              uint64_t room)
{
    struct memprofile *p = profile_of(h);
    uint64_t n = 0;
    specials_lock(h);
    flush_locked(p);
    if (is_unpublished(p))
        for (uint64_t cycle = 0; cycle < BUCKET_CYCLES; cycle++)
            publish_all(p, cycle);
    for (const struct bucket *b = p->all; b && n < room; b = b->older)
        out[n++] = record_of(b);
    *about = (gcsim_profile){
        .rate = (int64_t)h->sample_rate, .records = p->buckets, .lost = p->lost, .cycle = p->cycle};
    specials_unlock(h);
    return n;
}
