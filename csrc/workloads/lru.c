// A cache with a hash table and a list in the order of last use; each thread has one. Keys fall off as 1 / rank (Zipf's law with exponent
// 1): the logarithm of a key's rank is uniform. A miss allocates an entry and a value of random size and drops the least recently used.
#include "gcsim/workload.h"

#include <stdbool.h>

struct lru_entry {
    struct lru_entry *chain;         // next in its bucket
    struct lru_entry *newer, *older; // in the order of use
    uint64_t *value;                 // value[0] words, all holding a function of the key
    uint64_t key;
};

struct lru {
    gcsim_mutator *m;
    gcsim_work *w;
    void **slots;
    const gcsim_type *entry, *word;
    uint64_t buckets, entries, count, value_words, hits;
};

enum { LRU_TABLE, LRU_NEWEST, LRU_OLDEST, LRU_FRESH, LRU_SLOTS };

static struct lru_entry **lru_bucket(struct lru *c, uint64_t key)
{
    return (struct lru_entry **)c->slots[LRU_TABLE] + gcsim_mix(key) % c->buckets;
}

static bool lru_intact(const struct lru_entry *e)
{
    uint64_t words = e->value ? e->value[0] : 0;
    for (uint64_t i = 1; i < words; i++)
        if (e->value[i] != gcsim_mix(e->key + i))
            return false;
    return words > 0;
}

// The list's ends are frame slots: no barrier there.
static void lru_link(struct lru *c, struct lru_entry *side, bool newer, struct lru_entry *to)
{
    if (side)
        gcsim_store(c->m, newer ? &side->newer : &side->older, to);
    else
        c->slots[newer ? LRU_OLDEST : LRU_NEWEST] = to;
}

static void lru_unlink(struct lru *c, struct lru_entry *e)
{
    lru_link(c, e->newer, false, e->older);
    lru_link(c, e->older, true, e->newer);
}

static void lru_make_newest(struct lru *c, struct lru_entry *e)
{
    struct lru_entry *second = c->slots[LRU_NEWEST];
    gcsim_store(c->m, &e->newer, NULL);
    gcsim_store(c->m, &e->older, second);
    lru_link(c, second, true, e);
    c->slots[LRU_NEWEST] = e;
}

static void lru_evict(struct lru *c)
{
    struct lru_entry *e = c->slots[LRU_OLDEST], **link = lru_bucket(c, e->key);
    while (*link != e)
        link = &(*link)->chain;
    gcsim_store(c->m, link, e->chain);
    lru_unlink(c, e);
    c->count--;
}

static struct lru_entry *lru_find(struct lru *c, uint64_t key)
{
    struct lru_entry *e = *lru_bucket(c, key);
    while (e && e->key != key)
        e = e->chain;
    return e;
}

static bool lru_insert(struct lru *c, uint64_t key)
{
    uint64_t words = 1 + gcsim_mix(key) % c->value_words;
    struct lru_entry *e = gcsim_new(c->m, c->entry);
    c->slots[LRU_FRESH] = e;
    uint64_t *value = e ? c->m->api->new_array(c->m, c->word, words) : NULL;
    if (!value)
        return false;
    value[0] = words;
    for (uint64_t i = 1; i < words; i++)
        value[i] = gcsim_mix(key + i);
    e->key = key;
    gcsim_store(c->m, &e->value, value);
    if (c->count == c->entries)
        lru_evict(c);
    struct lru_entry **bucket = lru_bucket(c, key);
    gcsim_store(c->m, &e->chain, *bucket);
    gcsim_store(c->m, bucket, e);
    lru_make_newest(c, e);
    c->count++;
    c->slots[LRU_FRESH] = NULL;
    return true;
}

// A key below 2^bits, each of whose binary digits is as likely to be the highest.
static uint64_t lru_key(uint64_t *random, uint64_t bits)
{
    uint64_t top = gcsim_below(random, bits + 1);
    return top ? ((uint64_t)1 << (top - 1)) +
                     (gcsim_random(random) & (((uint64_t)1 << (top - 1)) - 1))
               : 0;
}

static int lru_damaged(gcsim_work *w, uint64_t key)
{
    return gcsim_work_fail(w, "the entry of key %llu is damaged", (unsigned long long)key);
}

static int lru_check_all(struct lru *c)
{
    uint64_t n = 0;
    for (struct lru_entry *e = c->slots[LRU_NEWEST], *newer = NULL; e;
         newer = e, e = e->older, n++) {
        gcsim_safepoint(c->m); // the list is in slots
        if (!lru_intact(e) || e->newer != newer || lru_find(c, e->key) != e)
            return lru_damaged(c->w, e->key);
    }
    return n == c->count ? 0
                         : gcsim_work_fail(c->w, "%llu entries of %llu are there",
                                           (unsigned long long)n, (unsigned long long)c->count);
}

static int lru_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t first = 1, four = 15, bits = 0;
    while (bits < 40 && (int64_t)1 << bits < w->params[1])
        bits++;
    struct lru c = {.m = m,
                    .w = w,
                    .entries = (uint64_t)w->params[0],
                    .buckets = (uint64_t)w->params[0],
                    .value_words = (uint64_t)w->params[2] / 8,
                    .entry = gcsim_work_type(api, m, "lru entry", 5, &four, 4),
                    .word = gcsim_work_type(api, m, "word", 1, NULL, 0)};
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &first, 1);
    c.slots = gcsim_work_slots(api, m, w, LRU_SLOTS);
    if (!c.entry || !c.word || !pointer || !c.slots ||
        !(c.slots[LRU_TABLE] = api->new_array(m, pointer, c.buckets)))
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "look up");
    for (int64_t i = 0; i < w->params[3] && !gcsim_work_poll(m, w); i++) {
        uint64_t key = lru_key(&w->random, bits);
        struct lru_entry *e = lru_find(&c, key);
        if (e) {
            if (!lru_intact(e))
                return lru_damaged(w, key);
            lru_unlink(&c, e);
            lru_make_newest(&c, e);
            c.hits++;
        } else if (!lru_insert(&c, key)) {
            return gcsim_work_no_memory(m, w);
        }
    }
    w->checksum = gcsim_mix(c.hits) + c.count;
    gcsim_work_phase(w, "last check");
    return lru_check_all(&c);
}

static const gcsim_work_param lru_params[] = {
    {"entries", "", "that the cache holds, per thread", 50000, 1, 1 << 26},
    {"keys", "", "different keys; rounded up to a power of two", 1 << 20, 1, (int64_t)1 << 40},
    {"value_bytes", "bytes", "largest value", 512, 8, 1 << 20},
    {"lookups", "", "per thread", 2000000, 0, INT64_MAX}};

static const gcsim_workload lru_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "lru",
    .about = "a cache that drops the least recently used, with few hot keys and many cold ones",
    .run = lru_run,
    .op_ps = LRU_OP_PS,
    .shade_ps = LRU_SHADE_PS,
    GCSIM_PARAMS(lru_params)};
