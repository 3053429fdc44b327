// A cache of the least recently used: a table of chains, and a list in order of use. A hit moves an entry to the list's front; a miss makes
// a new one with a value of 64 bytes, and the entry at the list's end goes when the cache is full.
#include "work.h"

struct entry {
    struct entry *chain, *before, *after;
    uint64_t *value;
    uint64_t key;
};

enum { VALUE_BYTES = 64, TABLE = 0, ENDS = 1, FRESH = 2 };

struct lru {
    struct thread *t;
    struct kind entry, value;
    struct entry **table;
    struct entry *ends; // its `after` is the list's front, its `before` the end
    uint64_t mask;
};

static void unlink_entry(struct lru *c, struct entry *e)
{
    put(c->t, &e->before->after, e->after);
    put(c->t, &e->after->before, e->before);
}

static void to_front(struct lru *c, struct entry *e)
{
    put(c->t, &e->before, c->ends);
    put(c->t, &e->after, c->ends->after);
    put(c->t, &c->ends->after->before, e);
    put(c->t, &c->ends->after, e);
}

static uint64_t chain_of(const struct lru *c, uint64_t key)
{
    return (key * 0x9e3779b97f4a7c15u >> 32) & c->mask;
}

static struct entry *find(struct lru *c, uint64_t key)
{
    struct entry *e = c->table[chain_of(c, key)];
    while (e && e->key != key)
        e = e->chain;
    return e;
}

static void evict(struct lru *c)
{
    struct entry *e = c->ends->before, **link = &c->table[chain_of(c, e->key)];
    unlink_entry(c, e);
    while (*link != e)
        link = &(*link)->chain;
    put(c->t, link, e->chain);
    if (MEMORY_FREES)
        drop(e->value);
    drop(e);
}

static void insert(struct lru *c, uint64_t key)
{
    struct entry *e = c->t->roots[FRESH] = make(c->t, c->entry);
    put(c->t, &e->value, make(c->t, c->value));
    e->key = e->value[0] = key;
    struct entry **chain = &c->table[chain_of(c, key)];
    put(c->t, &e->chain, *chain);
    put(c->t, chain, e);
    to_front(c, e);
}

uint64_t work_lru(struct thread *t, char **words)
{
    uint64_t capacity = number(words[0]), steps = number(words[1]), chains = 1, hits = 0, used = 0;
    if (capacity < 1 || capacity > 1 << 24)
        die("a capacity of 1 to 2^24");
    while (chains < capacity)
        chains *= 2;
    struct lru c = {
        t, kind_of(t, sizeof(struct entry), 4), kind_of(t, VALUE_BYTES, 0), NULL, NULL, chains - 1};
    uint64_t start = now_ns(), seed = 3;
    t->roots[TABLE] = c.table = (struct entry **)make_array(t, chains);
    t->roots[ENDS] = c.ends = make(t, c.entry);
    put(t, &c.ends->before, c.ends);
    put(t, &c.ends->after, c.ends);
    for (uint64_t i = 0; i < steps; i++) { // small keys are asked for more often
        uint32_t wide = (uint32_t)capacity * 4, a = bench_below(&seed, wide);
        uint64_t key = (uint64_t)a * bench_below(&seed, wide) / wide;
        struct entry *e = find(&c, key);
        if (e) {
            hits += e->value[0] == key;
            unlink_entry(&c, e);
            to_front(&c, e);
            continue;
        }
        if (used == capacity)
            evict(&c);
        else
            used++;
        insert(&c, key);
    }
    print_seconds(start);
    printf("\"ns_per_step\": %.4f, ", (double)(now_ns() - start) / (double)steps);
    return hits;
}
