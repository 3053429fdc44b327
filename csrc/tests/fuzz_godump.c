// Seeded mutation fuzzer of the dump reader: fuzz_godump FILE [FIRST:]ITERATIONS SEED.
//
// FILE is an uncompressed dump. Most iterations build a small dump out of whole records of it and
// then damage that; the others damage the file itself. The reader has to end with a result that is
// consistent in itself or with a code and a message, within its promise of memory. Run it under
// ASan and UBSan. Iteration i depends on SEED and i only: `FIRST:ITERATIONS` prints each
// before it runs, so that the last line names the one that failed, and FIRST:1 replays it.
#include "base/core.h"

#include <malloc.h>

static size_t live_bytes, peak_bytes;

static void fuzz_free(void *p)
{
    live_bytes -= p != NULL ? malloc_usable_size(p) : 0;
    free(p);
}

static void *fuzz_realloc(void *p, size_t size)
{
    size_t before = p != NULL ? malloc_usable_size(p) : 0;
    void *q = realloc(p, size);
    if (q != NULL)
        live_bytes += malloc_usable_size(q) - before;
    if (live_bytes > peak_bytes)
        peak_bytes = live_bytes;
    return q;
}

#define GODUMP_REALLOC fuzz_realloc
#define free           fuzz_free
#include "lib/godump.h"

#include "lib/godump.c"
#undef free

static uint64_t random_state;

static uint64_t random_below(uint64_t n) // splitmix64
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % n;
}

// ---- The dump and its records ----

static uint8_t *file_bytes;
static size_t file_size;
static size_t *record_at; // records + 1
static size_t records, header_bytes;

static bool load(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        return false;
    long size = ftell(f);
    rewind(f);
    file_size = size > 0 ? (size_t)size : 0;
    file_bytes = malloc(file_size + 1);
    bool is_read = file_bytes != NULL && fread(file_bytes, 1, file_size, f) == file_size;
    fclose(f);
    return is_read;
}

// Walk over the records with the reader's own functions.
static bool split(void)
{
    struct godump_result result = {0};
    struct godump_error error = {0};
    struct godump d = {.bytes = file_bytes,
                       .size = file_size,
                       .at = strlen(GODUMP_MAGIC),
                       .poll_in = DUMP_POLL_EVERY,
                       .error = &error,
                       .result = &result};
    record_at = malloc((file_size + 2) * sizeof *record_at);
    bool more = true;
    while (more && godump_read_record(&d, &more)) {
        if (header_bytes == 0)
            header_bytes = d.at;
        record_at[records++] = d.at;
    }
    fuzz_free(d.object);
    fuzz_free(d.slot);
    fuzz_free(d.root);
    fuzz_free(d.finalizer);
    fuzz_free(d.name_table);
    godump_free(&result);
    records = records > 1 ? records - 1 : 0; // the last entry is the end of the last record
    return !more && records > 0;
}

// ---- Mutation ----

struct input {
    uint8_t *bytes;
    size_t size, room;
};

static void put_bytes(struct input *in, const uint8_t *bytes, size_t n)
{
    if (n > in->room - in->size)
        n = in->room - in->size;
    memcpy(in->bytes + in->size, bytes, n);
    in->size += n;
}

static void put_record(struct input *in, size_t i)
{
    put_bytes(in, file_bytes + record_at[i], record_at[i + 1] - record_at[i]);
}

// Magic, parameters, runs of records in any order, the end.
static void assemble(struct input *in)
{
    in->size = 0;
    put_bytes(in, file_bytes, header_bytes);
    for (uint64_t run = 1 + random_below(8); run > 0; run--) {
        size_t i = random_below(records), n = 1 + random_below(60);
        // objects are almost all records: look for the others at the end of the dump, too
        if (random_below(3) == 0)
            i = records - 1 - random_below(records < 4000 ? records : 4000);
        for (; n > 0 && i < records; n--, i++)
            if (record_at[i + 1] - record_at[i] < 20000)
                put_record(in, i);
    }
    uint8_t end = 0;
    put_bytes(in, &end, 1);
}

static void insert(struct input *in, size_t at, const uint8_t *bytes, size_t n)
{
    if (n > in->room - in->size)
        return;
    memmove(in->bytes + at + n, in->bytes + at, in->size - at);
    memcpy(in->bytes + at, bytes, n);
    in->size += n;
}

static void mutate_once(struct input *in)
{
    static const uint8_t blow_ups[][11] = {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                           "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                           "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
                                           "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                                           "\xff\xff\xff\xff\x0f",
                                           "\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                           "\x80\x80\x80\x80\xc0\x01",
                                           "\x80\x01"};
    uint8_t piece[256];
    if (in->size == 0)
        return;
    size_t at = random_below(in->size), n = 1 + random_below(sizeof piece - 1);
    if (n > in->size - at)
        n = in->size - at;
    switch (random_below(8)) {
    case 0:
        in->bytes[at] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        in->bytes[at] = (uint8_t)random_below(256);
        break;
    case 2:
        in->bytes[at] = (uint8_t)random_below(20);
        break; // another tag
    case 3:
        in->size = at;
        break;
    case 4: // cut out
        memmove(in->bytes + at, in->bytes + at + n, in->size - at - n);
        in->size -= n;
        break;
    case 5: // splice in from elsewhere
        memcpy(piece, in->bytes + at, n);
        insert(in, random_below(in->size), piece, n);
        break;
    case 6: // overwrite from elsewhere
        memcpy(piece, in->bytes + at, n);
        at = random_below(in->size);
        memcpy(in->bytes + at, piece, n < in->size - at ? n : in->size - at);
        break;
    default: {
        const uint8_t *number = blow_ups[random_below(sizeof blow_ups / sizeof *blow_ups)];
        size_t length = strlen((const char *)number);
        if (random_below(2) == 0)
            insert(in, at, number, length);
        else
            memcpy(in->bytes + at, number, length < in->size - at ? length : in->size - at);
    }
    }
}

// ---- What a result promises ----

static void check_result(const struct godump_result *r)
{
    uint64_t edges = 0, reached = 0;
    INVARIANT(r->slot_start[r->objects] == r->slots && r->edge_start[r->objects] == r->edges);
    for (uint64_t i = 0; i < r->objects; i++) {
        INVARIANT(i == 0 || r->obj_addr[i - 1] + r->obj_size[i - 1] <= r->obj_addr[i]);
        INVARIANT(r->obj_addr[i] + r->obj_size[i] <= r->heap_end - r->base);
        INVARIANT(r->obj_noscan[i] == (r->obj_nslots[i] == 0));
        INVARIANT(r->slot_start[i + 1] - r->slot_start[i] == r->obj_nslots[i]);
        uint64_t s = r->slot_start[i];
        for (uint64_t k = s; k < r->slot_start[i + 1]; k++)
            INVARIANT(r->slot_off[k] % 8 == 0 && r->slot_off[k] + 8 <= r->obj_ptrend[i]);
        INVARIANT(r->obj_ptrend[i] <= r->obj_size[i]);
        for (uint64_t e = r->edge_start[i]; e < r->edge_start[i + 1]; e++, edges++) {
            while (s < r->slot_start[i + 1] && r->slot_off[s] != r->edge_off[e])
                s++;
            INVARIANT(s < r->slot_start[i + 1]);
            INVARIANT(r->edge_dst[e] >= 0 && (uint64_t)r->edge_dst[e] < r->objects);
            INVARIANT(r->edge_dst_off[e] < r->obj_size[r->edge_dst[e]]);
            INVARIANT(!r->obj_reach[i] || r->obj_reach[r->edge_dst[e]]);
        }
        reached += r->obj_reach[i];
    }
    INVARIANT(edges == r->edges && (reached == 0 || r->roots > 0));
    for (uint64_t i = 0; i < r->roots; i++) {
        INVARIANT(r->root_kind[i] > 0 && r->root_kind[i] < GODUMP_ROOT_KINDS);
        INVARIANT(r->root_g[i] >= -1 && r->root_g[i] < (int64_t)r->goroutines);
        INVARIANT(r->root_frame[i] >= -1 && r->root_frame[i] < (int64_t)r->names);
        INVARIANT(r->root_dst[i] >= 0 && (uint64_t)r->root_dst[i] < r->objects);
        INVARIANT(r->root_dst_off[i] < r->obj_size[r->root_dst[i]]);
        INVARIANT(r->root_kind[i] == GODUMP_ROOT_FINALIZER_OBJ || r->obj_reach[r->root_dst[i]]);
    }
    uint64_t frames = 0;
    for (uint64_t i = 0; i < r->goroutines; i++)
        frames += r->goroutine[i].frames;
    INVARIANT(frames == r->frames);
    for (uint64_t i = 0; i < r->frames; i++)
        INVARIANT(r->frame_name[i] < r->names);
}

static enum godump_code run_one(uint64_t seed, uint64_t i, struct input *in)
{
    random_state = seed * 0x100000001b3 + i;
    if (random_below(200) == 0) {
        in->size = 0;
        put_bytes(in, file_bytes, file_size);
    } else {
        assemble(in);
    }
    for (uint64_t n = random_below(5); n > 0; n--)
        mutate_once(in);

    uint8_t *exact = malloc(in->size > 0 ? in->size : 1); // so that ASan sees one byte too many
    memcpy(exact, in->bytes, in->size);
    struct godump_result result;
    struct godump_error error;
    live_bytes = peak_bytes = 0;
    enum godump_code code = godump_parse(exact, in->size, NULL, NULL, &result, &error);
    INVARIANT(peak_bytes <= 16 * in->size + (1u << 16));
    if (code == GODUMP_OK) {
        check_result(&result);
    } else {
        INVARIANT(error.offset <= in->size && error.message[0] != 0);
        INVARIANT(code == GODUMP_MALFORMED || code == GODUMP_UNSUPPORTED);
    }
    godump_free(&result);
    INVARIANT(live_bytes == 0);
    free(exact);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: fuzz_godump FILE [FIRST:]ITERATIONS SEED\n");
        return 2;
    }
    const char *colon = strchr(argv[2], ':');
    uint64_t first = colon != NULL ? strtoull(argv[2], NULL, 10) : 0;
    uint64_t iterations = strtoull(colon != NULL ? colon + 1 : argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10), codes[5] = {0};
    if (!load(argv[1]) || !split()) {
        fprintf(stderr, "fuzz_godump: %s is not a whole dump\n", argv[1]);
        return 2;
    }
    struct input in = {.room = file_size + (1 << 20)};
    in.bytes = malloc(in.room);
    for (uint64_t i = first; i < first + iterations; i++) {
        if (colon != NULL)
            printf("fuzz_godump: seed %llu, iteration %llu\n", (unsigned long long)seed,
                   (unsigned long long)i);
        codes[run_one(seed, i, &in)]++;
    }
    printf("fuzz_godump: seed %llu: %llu iterations, %llu read, %llu malformed, %llu unsupported\n",
           (unsigned long long)seed, (unsigned long long)iterations, (unsigned long long)codes[0],
           (unsigned long long)codes[1], (unsigned long long)codes[2]);
    free(in.bytes);
    free(record_at);
    free(file_bytes);
    return 0;
}
