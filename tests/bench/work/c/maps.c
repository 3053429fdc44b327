// Go's maps: entries inserted one by one into a map that grows, looked up by keys that are there and by others, in an order of chance, deleted and
// inserted again. Keys are 64 bits of chance, or texts of 16 bytes; elements numbers, or pointers to the keys' own texts.
#include "work.h"

#ifdef MEMORY_GCSIM
#include "lib/map.h"

#include "lib/map.c"

enum { TEXT_BYTES = 16, MAP = 0, TEXTS = 1 };

struct maps {
    struct thread *t;
    struct map_type type;
    uint64_t count, random, sum;
    bool texts;
    uint64_t *numbers;      // of both kinds: the first half goes into the map
    struct map_text *words; // the same as texts, inside one object
    uint32_t *order;
    uint64_t ns[4];
};
enum phase { INSERT, HIT, MISS, CHURN };

static struct map *the_map(struct maps *s) { return s->t->roots[MAP]; }

static inline const void *key_at(const struct maps *s, uint64_t i)
{
    return s->texts ? (const void *)&s->words[i] : &s->numbers[i];
}

static void insert(struct maps *s, uint64_t i)
{
    uint64_t *elem = map_slot(s->t->b.m, &s->type, the_map(s), key_at(s, i));
    if (!elem)
        die("no memory");
    if (s->type.elem->ptr_bytes)
        gcsim_store(s->t->b.m, elem, (void *)(uintptr_t)s->words[i].ptr);
    else
        *elem = i;
}

static uint64_t look_up(struct maps *s, uint64_t from)
{
    uint64_t found = 0;
    for (uint64_t k = 0; k < s->count; k++)
        found += map_get(&s->type, the_map(s), key_at(s, from + s->order[k])) != NULL;
    return found;
}

static void one_round(struct maps *s)
{
    struct map *map;
    uint64_t start = now_ns();
    if (map_new(s->t->b.m, &s->type, 0, &map) != GCSIM_OK)
        die("no memory");
    s->t->roots[MAP] = map;
    for (uint64_t i = 0; i < s->count; i++)
        insert(s, i);
    uint64_t inserted = now_ns();
    s->sum += look_up(s, 0);
    uint64_t hit = now_ns();
    s->sum += look_up(s, s->count);
    uint64_t missed = now_ns();
    for (uint64_t k = 0; k < s->count; k++) {
        s->sum += map_delete(s->t->b.m, &s->type, the_map(s), key_at(s, s->order[k]));
        insert(s, s->order[k]);
    }
    s->ns[INSERT] += inserted - start;
    s->ns[HIT] += hit - inserted;
    s->ns[MISS] += missed - hit;
    s->ns[CHURN] += now_ns() - missed;
    s->sum += the_map(s)->used;
}

static void prepare(struct maps *s)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t n = 2 * s->count;
    s->numbers = malloc(n * sizeof *s->numbers);
    s->words = malloc(n * sizeof *s->words);
    s->order = malloc(s->count * sizeof *s->order);
    char *text = s->t->roots[TEXTS] = make(s->t, kind_of(s->t, n * TEXT_BYTES, 0));
    if (!s->numbers || !s->words || !s->order || !text)
        die("no memory");
    for (uint64_t i = 0; i < n; i++, text += TEXT_BYTES) {
        s->numbers[i] = bench_random(&s->random);
        for (int k = 0; k < TEXT_BYTES; k++)
            text[k] = digits[s->numbers[i] >> 4 * k & 15];
        s->words[i] = (struct map_text){text, TEXT_BYTES};
    }
    for (uint64_t k = 0; k < s->count; k++) { // a shuffle as it grows
        uint64_t other = bench_below(&s->random, (uint32_t)k + 1);
        s->order[k] = s->order[other];
        s->order[other] = (uint32_t)k;
    }
}

static const gcsim_type *type_of(struct maps *s, const char *name, uint64_t words, uint64_t mask)
{
    uint64_t pointers = mask ? 64 - (uint64_t)__builtin_clzll(mask) : 0;
    return bench_type(&s->t->b, name, words, &mask, pointers);
}

uint64_t work_maps(struct thread *t, char **words)
{
    uint64_t rounds = number(words[2]), mask[MAP_GROUP_MASK_WORDS];
    struct maps s = {.t = t, .count = number(words[1]), .random = 1};
    bool pointers = !strcmp(words[0], "pointer");
    s.texts = strcmp(words[0], "int") != 0;
    if (s.count < 1 || s.count > 1 << 24 || rounds < 1)
        die("1 to 2^24 entries, and at least one round");
    const gcsim_type *number_type = type_of(&s, "uint64", 1, 0);
    const gcsim_type *text = type_of(&s, "string", 2, 1), *pointer = type_of(&s, "pointer", 1, 1);
    const gcsim_type *key = s.texts ? text : number_type, *elem = pointers ? pointer : number_type;
    gcsim_type_desc group = map_group_desc(key, elem, mask);
    gcsim_status status;
    map_type_init(&s.type, s.texts ? MAP_KEY_STRING : MAP_KEY_64, key, elem,
                  type_of(&s, "maps.Map", MAP_WORDS, MAP_MASK),
                  type_of(&s, "maps.table", MAP_TABLE_WORDS, MAP_TABLE_MASK), pointer,
                  t->b.api->type_new(t->b.heap, &group, &status));
    s.type.random = &s.random;
    prepare(&s);
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < rounds; i++)
        one_round(&s);
    print_seconds(start);
    static const char *const names[] = {"insert", "hit", "miss", "churn"};
    for (int i = 0; i < 4; i++)
        printf("\"ns_%s\": %.4f, ", names[i], (double)s.ns[i] / (double)(rounds * s.count));
    return s.sum;
}
#else
uint64_t work_maps(struct thread *t, char **words)
{
    (void)t, (void)words;
    return 0;
}
#endif
