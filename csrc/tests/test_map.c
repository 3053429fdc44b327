// instantiations: fast step
//
// lib/map: Go's maps do what a plain array of entries does, whatever the order of operations, with collections in between and under way; what lies
// in them stays alive and what went from them does not; iterating sees what Go promises. Sizes and allocations are those of Go (test_conform
// replays its recordings); here are those that a reader would ask for.
#include "harness.h"

#include "lib/map.c"
#include "lib/slice.c"
#include "lib/string.c"

enum { IDS = 3000, BIG = 200, BIG_KEY = 136 };

// A kind of key or element that an id can be written as, so that it differs from those of other ids.
enum kind {
    K_INT64,
    K_INT32,
    K_BYTE,
    K_STRING,
    K_POINTER, // of key: to one of IDS objects; of elem: to an object with the number in it
    K_BIG,     // indirect: the number, and zeros
    K_BIG_KEY,
    K_MIXED, // struct { float64; string }
    K_NONE,  // struct {}
    KINDS
};

struct scene {
    mut *m;
    const gcsim_type *types[KINDS], *map, *table, *pointer, *byte, *number;
    gcsim_handle *objects[IDS]; // what pointer keys point to
    uint64_t random, chance;
    char text[24];
};

static const gcsim_type *of_desc(mut *m, gcsim_type_desc desc)
{
    gcsim_status status;
    const gcsim_type *t = API->type_new(m->heap, &desc, &status);
    INVARIANT(t);
    return t;
}

static struct scene open_scene(gcsim_options options, uint64_t seed)
{
    options.bytes = small_heap.bytes;
    options.reserve_bytes = 256 << 20;
    struct scene s = {.m = open_heap(options), .random = seed, .chance = seed};
    gcsim_heap *heap = s.m->heap;
    s.map = make_type(heap, "maps.Map", MAP_WORDS, MAP_MASK);
    s.table = make_type(heap, "maps.table", MAP_TABLE_WORDS, MAP_TABLE_MASK);
    s.pointer = make_type(heap, "pointer", 1, 1);
    s.byte = make_bytes(heap, "byte", 1);
    s.number = make_type(heap, "number", 1, 0);
    s.types[K_INT64] = s.number;
    s.types[K_INT32] = of_desc(s.m, (gcsim_type_desc){.name = "int32", .bytes = 4, .align = 4});
    s.types[K_BYTE] = s.byte;
    s.types[K_STRING] = make_type(heap, "string", 2, 1);
    s.types[K_POINTER] = s.pointer;
    s.types[K_BIG] = make_bytes(heap, "[200]byte", BIG);
    s.types[K_BIG_KEY] = make_bytes(heap, "[136]byte", BIG_KEY);
    s.types[K_MIXED] = make_type(heap, "mixed", 3, 2);
    s.types[K_NONE] = make_bytes(heap, "struct {}", 0);
    return s;
}

static void close_scene(struct scene *s) { close_heap(s->m); }

static struct map_type map_type_of(struct scene *s, enum kind key, enum kind elem)
{
    static const enum map_key how[KINDS] = {
        [K_INT64] = MAP_KEY_64,      [K_INT32] = MAP_KEY_32,    [K_BYTE] = MAP_KEY_BYTES,
        [K_STRING] = MAP_KEY_STRING, [K_POINTER] = MAP_KEY_64,  [K_BIG] = MAP_KEY_BYTES,
        [K_BIG_KEY] = MAP_KEY_BYTES, [K_MIXED] = MAP_KEY_OTHER, [K_NONE] = MAP_KEY_BYTES};
    struct map_type t = {.random = &s->chance,
                         .nparts = 2,
                         .parts = {{0, 8, MAP_PART_FLOAT64}, {8, 16, MAP_PART_STRING}}};
    uint64_t mask[MAP_GROUP_MASK_WORDS];
    gcsim_type_desc desc = map_group_desc(s->types[key], s->types[elem], mask);
    map_type_init(&t, how[key], s->types[key], s->types[elem], s->map, s->table, s->pointer,
                  of_desc(s->m, desc));
    return t;
}

// The id's text, in the heap if it is to stay: then rooted by *root.
static struct string text_of(struct scene *s, int id, gcsim_handle **root)
{
    struct string text = {s->text, snprintf(s->text, sizeof s->text, "key number %d", id)};
    if (root) {
        INVARIANT(string_make(s->m, s->byte, s->text, text.len, &text) == GCSIM_OK);
        *root = API->handle_new(s->m, (void *)(uintptr_t)text.ptr);
        INVARIANT(*root);
    }
    return text;
}

static void write_value(struct scene *s, enum kind kind, bool is_key, int id, char *out,
                        gcsim_handle **root)
{
    struct string text;
    double d = id - 7;
    void *p;
    switch (kind) {
    case K_STRING:
        text = text_of(s, id, root);
        memcpy(out, &text, sizeof text);
        return;
    case K_MIXED:
        text = text_of(s, id, root);
        d = id % 2 && d == 0 ? -d : d; // 0 and -0 are one key
        memcpy(out, &d, 8);
        memcpy(out + 8, &text, sizeof text);
        return;
    case K_POINTER:
        if (is_key) {
            p = s->objects[id]->ptr;
        } else {
            p = gcsim_new(s->m, s->number);
            INVARIANT(p && (*root = API->handle_new(s->m, p)));
            *(int64_t *)p = id;
        }
        memcpy(out, &p, 8);
        return;
    case K_NONE:
        return;
    default:
        memset(out, 0, s->types[kind]->bytes);
        memcpy(out, &(int64_t){id}, s->types[kind]->bytes < 8 ? s->types[kind]->bytes : 8);
    }
}

// The other way; -1: it is nothing that was written.
static int read_value(struct scene *s, enum kind kind, bool is_key, const char *in)
{
    struct string text;
    char copy[24] = {0};
    int64_t id = 0;
    int number = -1;
    switch (kind) {
    case K_STRING:
    case K_MIXED:
        memcpy(&text, kind == K_MIXED ? in + 8 : in, sizeof text);
        if (text.len == 0 && !is_key)
            return 0; // none was written yet
        if (text.len <= 0 || text.len >= 24)
            return -1;
        memcpy(copy, text.ptr, (size_t)text.len);
        return sscanf(copy, "key number %d", &number) == 1 ? number : -1;
    case K_POINTER:
        memcpy(&in, in, 8);
        return in ? (int)*(const int64_t *)(const void *)in : 0;
    case K_NONE:
        return 0;
    default:
        memcpy(&id, in, s->types[kind]->bytes < 8 ? s->types[kind]->bytes : 8);
        return (int)id;
    }
}

// --- the model ---------------------------------------------------------------------------------------------------

struct game {
    struct scene *s;
    enum kind key, elem;
    struct map_type t;
    gcsim_handle *map;
    int ids, entries;
    bool there[IDS];
    int value[IDS];
};

static struct map *the_map(const struct game *g) { return g->map->ptr; }

static struct game begin_game(struct scene *s, enum kind key, enum kind elem, int ids, int hint)
{
    struct game g = {.s = s, .key = key, .elem = elem, .ids = ids};
    struct map *map;
    g.t = map_type_of(s, key, elem);
    INVARIANT(map_new(s->m, &g.t, hint, &map) == GCSIM_OK);
    INVARIANT((g.map = API->handle_new(s->m, map)));
    return g;
}

static void end_game(struct game *g) { API->handle_drop(g->s->m->heap, g->map); }

static void put(struct game *g, int id)
{
    char key[BIG], elem[BIG];
    gcsim_handle *roots[2] = {NULL, NULL};
    int number = g->elem == K_NONE ? 0 : (int)below(&g->s->random, 200);
    write_value(g->s, g->key, true, id, key, &roots[0]);
    write_value(g->s, g->elem, false, number, elem, &roots[1]);
    void *slot = map_slot(g->s->m, &g->t, the_map(g), key);
    INVARIANT(slot);
    API->copy(g->s->m, g->t.elem, slot, elem, 1);
    g->entries += !g->there[id];
    g->there[id] = true;
    g->value[id] = number;
    for (int i = 0; i < 2; i++)
        if (roots[i])
            API->handle_drop(g->s->m->heap, roots[i]);
}

static void take(struct game *g, int id)
{
    char key[BIG];
    write_value(g->s, g->key, true, id, key, NULL);
    EXPECT(map_delete(g->s->m, &g->t, the_map(g), key) == g->there[id]);
    g->entries -= g->there[id];
    g->there[id] = false;
}

static void look(struct game *g, int id)
{
    char key[BIG];
    void *own = NULL, *elem = NULL, *found;
    write_value(g->s, g->key, true, id, key, NULL);
    found = map_get(&g->t, the_map(g), key);
    EXPECT(!!found == g->there[id]);
    if (found && g->there[id]) {
        EXPECT(read_value(g->s, g->elem, false, found) == g->value[id]);
        EXPECT(map_get_entry(&g->t, the_map(g), key, &own, &elem) && elem == found);
        EXPECT(g->key == K_BYTE || g->key == K_NONE || read_value(g->s, g->key, true, own) == id);
    }
}

static void forget_all(struct game *g)
{
    map_clear(g->s->m, &g->t, the_map(g));
    memset(g->there, 0, sizeof g->there);
    g->entries = 0;
}

// Each entry comes once if nobody touches it; none after it was deleted; new ones may come, once.
static void iterate(struct game *g, bool changing)
{
    static bool came[IDS], stayed[IDS];
    struct map_iter it;
    int n = 0;
    memset(came, 0, sizeof came);
    memcpy(stayed, g->there, sizeof stayed);
    INVARIANT(map_iter_begin(g->s->m, &g->t, the_map(g), &it));
    while (map_iter_next(g->s->m, &g->t, &it)) {
        int id = g->key == K_NONE ? 0 : read_value(g->s, g->key, true, it.key);
        if (!EXPECT(id >= 0 && id < g->ids && g->there[id] && !came[id]))
            break;
        EXPECT(read_value(g->s, g->elem, false, it.elem) == g->value[id]);
        came[id] = true;
        n++;
        for (uint64_t k = changing ? below(&g->s->random, 3) : 0; k--;) {
            int other = (int)below(&g->s->random, (uint64_t)g->ids);
            if (below(&g->s->random, 3)) {
                put(g, other);
            } else {
                take(g, other);
                stayed[other] = came[other] = false; // what is inserted anew is a new entry
            }
        }
        if (changing && !below(&g->s->random, 400)) {
            forget_all(g);
            memset(stayed, 0, sizeof stayed);
            memset(came, 0, sizeof came);
        }
    }
    map_iter_end(g->s->m, &it);
    EXPECT(changing || n == g->entries);
    for (int id = 0; id < g->ids; id++)
        EXPECT(came[id] || !stayed[id]);
}

static void clone_it(struct game *g)
{
    struct map *copy;
    INVARIANT(map_clone(g->s->m, &g->t, the_map(g), &copy) == GCSIM_OK);
    gcsim_handle *root = API->handle_new(g->s->m, copy);
    INVARIANT(root);
    struct map *old = the_map(g);
    EXPECT(copy != old && copy->used == old->used && copy->dir_len == old->dir_len);
    for (int i = 0; i < 20; i++) // what happens to one does not show in the other
        take(g, (int)below(&g->s->random, (uint64_t)g->ids));
    forget_all(g);
    EXPECT(map_check(&g->t, old) == NULL && old->used == 0);
    struct map_iter it;
    INVARIANT(map_iter_begin(g->s->m, &g->t, copy, &it));
    while (map_iter_next(g->s->m, &g->t, &it)) {
        int id = g->key == K_NONE ? 0 : read_value(g->s, g->key, true, it.key);
        if (!EXPECT(id >= 0 && id < g->ids && !g->there[id]))
            break;
        g->there[id] = true;
        g->value[id] = read_value(g->s, g->elem, false, it.elem);
        g->entries++;
    }
    map_iter_end(g->s->m, &it);
    API->handle_drop(g->s->m->heap, g->map);
    g->map = root;
}

static void check_all(struct game *g)
{
    const char *wrong = map_check(&g->t, the_map(g));
    if (!EXPECT(wrong == NULL))
        printf("      %s\n", wrong);
    EXPECT(the_map(g)->used == (uint64_t)g->entries);
    for (int id = 0; id < g->ids; id++)
        look(g, id);
}

static void play(struct scene *s, enum kind key, enum kind elem, int ids, int hint, int moves)
{
    static struct game g;
    int before = failures;
    g = begin_game(s, key, elem, ids, hint);
    for (int i = 0; i < moves && failures < 10; i++) {
        int id = (int)below(&s->random, (uint64_t)ids);
        // Now and then it grows, now and then it shrinks.
        uint64_t puts = i / (2 * ids) % 2 ? 35 : 60, what = below(&s->random, 1000);
        if (what < 10 * puts)
            put(&g, id);
        else if (what < 950)
            take(&g, id);
        else if (what < 990)
            look(&g, id);
        else if (what < 993)
            iterate(&g, what < 991);
        else if (what == 993 && !below(&s->random, 4))
            forget_all(&g);
        else if (what == 994)
            clone_it(&g);
        else if (what == 995 && !below(&s->random, 4))
            EXPECT(API->collect(s->m) == GCSIM_OK);
        else if (what == 996 && !below(&s->random, 8))
            check_all(&g);
    }
    check_all(&g);
    iterate(&g, true);
    EXPECT(API->collect(s->m) == GCSIM_OK);
    check_all(&g);
    end_game(&g);
    static const char *const names[KINDS] = {"int64",     "int32",     "byte",     "string",  "*T",
                                             "[200]byte", "[136]byte", "a struct", "struct{}"};
    check(failures == before, "map[%s]%s of up to %d entries is what an array of entries is",
          names[key], names[elem], ids);
}

static void plays(uint64_t seed, bool marking)
{
    gcsim_options options = {.gc_percent = -1,
                             .check_mark = 1,
                             .verify_phases = 1,
                             .clobber_free = 1,
                             .stress_bytes = marking ? 40 << 10 : 0};
    options.gc_percent = marking ? 100 : -1;
    struct scene s = open_scene(options, seed);
    int moves = GCSIM_STEPS ? 6000 : 30000;
    for (int i = 0; i < IDS; i++) {
        void *p = gcsim_new(s.m, s.number);
        INVARIANT(p && (s.objects[i] = API->handle_new(s.m, p)));
        *(int64_t *)p = i;
    }
    play(&s, K_INT64, K_INT64, IDS, 0, moves);
    play(&s, K_INT64, K_POINTER, 700, 100, moves);
    play(&s, K_INT32, K_STRING, 300, 8, moves);
    play(&s, K_STRING, K_POINTER, 1500, 9, moves);
    play(&s, K_POINTER, K_INT32, 500, 0, moves);
    play(&s, K_BYTE, K_BYTE, 200, -1, moves);
    play(&s, K_MIXED, K_STRING, 400, 1000, moves);
    play(&s, K_BIG_KEY, K_BIG, 150, 0, moves);
    play(&s, K_STRING, K_BIG, 40, 0, moves);
    play(&s, K_INT64, K_NONE, 9, 0, moves / 4);
    play(&s, K_NONE, K_NONE, 1, 0, 300);
    check(verifies(s.m), "the heap verifies (seed %d%s)", (int)seed,
          marking ? ", marking most of the time" : "");
    close_scene(&s);
}

// --- what Go makes -----------------------------------------------------------------------------------------------

static uint64_t slot_of(struct scene *s, void *p)
{
    gcsim_object object;
    INVARIANT(API->find_object(s->m->heap, p, &object) == GCSIM_OK);
    return object.slot_bytes;
}

static void sizes_are_go_s(struct scene *s)
{
    struct map_type t = map_type_of(s, K_INT64, K_INT64);
    struct map *map;
    check(t.group_bytes == 136 && t.slot_bytes == 16 && t.group->ptr_bytes == 0,
          "a group of map[int64]int64 takes 136 bytes");
    check(map_type_of(s, K_BYTE, K_BYTE).group_bytes == 24 &&
              map_type_of(s, K_NONE, K_NONE).group_bytes == 16 &&
              map_type_of(s, K_INT64, K_BIG).group_bytes == 136 &&
              map_type_of(s, K_INT64, K_NONE).group_bytes == 136 &&
              map_type_of(s, K_BIG_KEY, K_BYTE).group_bytes == 136,
          "and others as Go lays them out");
    INVARIANT(map_new(s->m, &t, 0, &map) == GCSIM_OK);
    check(!map->dir && slot_of(s, map) == 48, "make(map): 48 bytes, nothing else");
    gcsim_handle *root = API->handle_new(s->m, map);
    bool ok = true;
    for (uint64_t k = 1; k <= 897; k++) {
        INVARIANT(map_slot(s->m, &t, map, &k));
        struct map_table **dir = map->dir;
        uint64_t slots = map->dir_len ? dir[0]->capacity : 0;
        ok &= map->dir_len == (k <= 8 ? 0 : k <= 896 ? 1 : 2);
        ok &= k <= 8 || slots >= k * 8 / 7 || map->dir_len == 2;
        ok &= k <= 8 || k > 14 || slots == 16;
    }
    check(ok, "it grows at 9, 15, ... and splits at 897");
    API->handle_drop(s->m->heap, root);
    const int64_t hints[] = {9, 16, 100, 1000, 10000, 8, -5, INT64_MAX};
    const int64_t tables[] = {1, 1, 1, 2, 16, 0, 0, 0}, slots[] = {16, 32, 128, 1024, 1024};
    ok = true;
    for (int i = 0; i < 8; i++) {
        INVARIANT(map_new(s->m, &t, hints[i], &map) == GCSIM_OK);
        ok &= map->dir_len == tables[i];
        ok &= !tables[i] || ((struct map_table **)map->dir)[0]->capacity == slots[i];
    }
    check(ok, "hints");
}

static void nan_is_go_s(struct scene *s)
{
    struct map_type t = map_type_of(s, K_MIXED, K_INT64);
    struct map *map;
    INVARIANT(map_new(s->m, &t, 0, &map) == GCSIM_OK);
    gcsim_handle *root = API->handle_new(s->m, map);
    struct {
        double d;
        struct string text;
    } nan = {__builtin_nan(""), {0}};
    for (int i = 0; i < 100; i++) {
        void *elem = map_slot(s->m, &t, map, &nan);
        INVARIANT(elem);
        *(int64_t *)elem = i;
    }
    struct map_iter it;
    int n = 0;
    int64_t sum = 0;
    INVARIANT(map_iter_begin(s->m, &t, map, &it));
    while (map_iter_next(s->m, &t, &it)) {
        sum += *(int64_t *)it.elem;
        if (n++ == 10)
            for (int i = 0; i < 200; i++) { // the table is replaced
                void *elem = map_slot(s->m, &t, map, &nan);
                INVARIANT(elem);
                *(int64_t *)elem = 0;
            }
    }
    map_iter_end(s->m, &it);
    check(map->used == 300 && n >= 100 && sum == 4950 && !map_get(&t, map, &nan) &&
              !map_delete(s->m, &t, map, &nan),
          "each NaN is a key of its own, which only iterating finds");
    INVARIANT(map_iter_begin(s->m, &t, map, &it) && map_iter_next(s->m, &t, &it));
    for (int i = 0; i < 2000; i++)
        INVARIANT(map_slot(s->m, &t, map, &nan));
    map_clear(s->m, &t, map);
    check(!map_iter_next(s->m, &t, &it), "clear takes it from an iteration that is under way");
    map_iter_end(s->m, &it);
    API->handle_drop(s->m->heap, root);
}

// Entries come and go: tombstones fill the table, which grows unless they are pruned. With one hash for all, so that it is so each time.
static uint64_t fixed_hash(const void *key, uint64_t seed)
{
    (void)seed;
    return hash_short(read64(key), 5);
}

static void tombstones_are_pruned(struct scene *s)
{
    uint64_t slots[2] = {0, 0};
    for (int prunes = 0; prunes < 2; prunes++) {
        struct map_type t = map_type_of(s, K_INT64, K_INT64);
        struct map *map;
        t.hash = fixed_hash;
        t.prunes = prunes;
        INVARIANT(map_new(s->m, &t, 400, &map) == GCSIM_OK);
        gcsim_handle *root = API->handle_new(s->m, map);
        for (uint64_t k = 0; k < 20000; k++) { // never more than 301 entries
            uint64_t old = k - 300;
            INVARIANT(map_slot(s->m, &t, map, &k));
            if (k >= 300)
                EXPECT(map_delete(s->m, &t, map, &old));
        }
        EXPECT(map->used == 300 && map_check(&t, map) == NULL);
        for (int64_t i = 0; i < map->dir_len; i++)
            slots[prunes] += ((struct map_table **)map->dir)[i]->capacity;
        API->handle_drop(s->m->heap, root);
    }
    check(slots[1] == 512 && slots[0] > 512,
          "tombstones are pruned where Go prunes them: %d slots, else %d", (int)slots[1],
          (int)slots[0]);
}

static void what_is_refused(struct scene *s)
{
    struct map_type t = map_type_of(s, K_INT64, K_INT64);
    struct map_type other = map_type_of(s, K_INT64, K_INT32);
    struct map *map;
    uint64_t key = 1;
    INVARIANT(map_new(s->m, &t, 0, &map) == GCSIM_OK);
    check(map_check(&t, map) == NULL && map_check(&other, map) != NULL,
          "a map of another type is told from this one");
    check(!map_get(&t, NULL, &key) && !map_delete(s->m, &t, NULL, &key), "the nil map is empty");
}

// A heap fills up in the middle of growing: the map is what it was.
static void a_full_heap_leaves_it_whole(uint64_t bytes)
{
    gcsim_options options = {.gc_percent = -1};
    struct scene s = open_scene(options, 3);
    struct map_type t = map_type_of(&s, K_INT64, K_BIG);
    struct map *map, *copy;
    uint64_t k = 0;
    INVARIANT(map_new(s.m, &t, 0, &map) == GCSIM_OK && API->handle_new(s.m, map));
    const gcsim_type *filler = make_bytes(s.m->heap, "filler", bytes);
    while (API->new_slow(s.m, filler)) // all but some pages
        ;
    while (k < 2000000 && map_slot(s.m, &t, map, &k))
        k++;
    check(k < 2000000 && s.m->status == GCSIM_HEAP_FULL && map->used == k &&
              map_check(&t, map) == NULL && !map_get(&t, map, &k),
          "a full heap leaves a map of %d entries whole", (int)k);
    check(map_clone(s.m, &t, map, &copy) == GCSIM_HEAP_FULL && !copy && map_check(&t, map) == NULL,
          "and there is no room for its clone");
    close_scene(&s);
}

// The top bits choose a table, the low 7 are the control byte: both must be spread whatever the keys are.
static void hashes_are_even(struct scene *s)
{
    struct map_type t = map_type_of(s, K_INT64, K_INT64), text = map_type_of(s, K_STRING, K_INT64);
    enum { N = 1 << 16, BUCKETS = 128 };
    static uint32_t top[BUCKETS], low[BUCKETS], middle[BUCKETS];
    const uint64_t strides[] = {1, 8, 4096, 1ull << 32, 1ull << 57, 0};
    double worst = 0;
    for (int k = 0; k < 6; k++) {
        memset(top, 0, sizeof top);
        memset(low, 0, sizeof low);
        memset(middle, 0, sizeof middle);
        for (uint64_t i = 0; i < N; i++) {
            uint64_t key = i * strides[k];
            struct string word = {s->text, snprintf(s->text, sizeof s->text, "%" PRIu64, i)};
            if (strides[k] == 1ull << 57 && i == 128)
                break;
            uint64_t hash = strides[k] ? map_hash(&t, &key, 77) : map_hash(&text, &word, 77);
            top[hash >> 57]++;
            low[hash & 127]++;
            middle[hash >> 7 & 127]++;
        }
        for (int b = 0; b < BUCKETS && strides[k] != 1ull << 57; b++) {
            const uint32_t *counts[] = {top, low, middle};
            for (int c = 0; c < 3; c++) {
                double off = (counts[c][b] - (double)N / BUCKETS) / 22.6; // standard deviations
                worst = off > worst ? off : -off > worst ? -off : worst;
            }
        }
    }
    check(worst < 5.5, "hashes are even: at most %.1f standard deviations off", worst);
}

int main(void)
{
    const char *given = getenv("GCSIM_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 8;
    printf("seed %" PRIu64 " (GCSIM_SEED=...)\n", seed);
    struct scene s = open_scene(small_heap, 1);
    sizes_are_go_s(&s);
    nan_is_go_s(&s);
    tombstones_are_pruned(&s);
    hashes_are_even(&s);
    what_is_refused(&s);
    a_full_heap_leaves_it_whole(500 << 10);
    a_full_heap_leaves_it_whole(200 << 10);
    check(verifies(s.m), "the heap verifies");
    close_scene(&s);
    plays(seed, false);
    plays(seed + 1, true);
    return failures != 0;
}
