// A recorded program's allocations and frees, again. The recording has no edges and its frees come a cycle late, so each object stays in a
// table until its free row.
//
// The file holds 32-bit words: the number of objects and of rows; then two words a row: the object (bit 31: it is freed) and its bytes (bit
// 31: it has no pointers). tests/bench/recordings.py writes it.
#include "work.h"

enum { MOST_BYTES = 32768 };

static uint32_t *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint32_t head[2], *words;
    if (!f || fread(head, sizeof head, 1, f) != 1)
        die("the recording cannot be read");
    uint64_t n = 2 * (uint64_t)head[1];
    words = malloc((n + 2) * sizeof *words);
    if (!words || fread(words + 2, sizeof *words, n, f) != n)
        die("the recording is truncated");
    memcpy(words, head, sizeof head);
    fclose(f);
    return words;
}

// Small objects have kinds, one for each size and for pointers or none.
static struct kind kind_for(struct thread *t, uint64_t bytes, bool noscan)
{
    static struct kind kinds[2][MOST_BYTES / 8 + 1];
    static bool known[2][MOST_BYTES / 8 + 1];
    uint64_t at = bytes / 8, pointers = noscan ? 0 : at < 16 ? at : 16;
    if (bytes > MOST_BYTES)
        return kind_of(t, bytes, pointers);
    if (!known[noscan][at])
        kinds[noscan][at] = kind_of(t, bytes, pointers);
    known[noscan][at] = true;
    return kinds[noscan][at];
}

static uint64_t replay(struct thread *t, const uint32_t *words)
{
    const uint32_t freed = (uint32_t)1 << 31;
    void **table = t->roots[0] = make_array(t, words[0]);
    uint64_t bytes_made = 0;
    for (uint64_t row = 0; row < words[1]; row++) {
        uint32_t id = words[2 + 2 * row], size = words[3 + 2 * row];
        void **slot = &table[id & ~freed];
        if (id & freed) {
            if (MEMORY_FREES)
                drop(*slot);
            put(t, slot, NULL);
            continue;
        }
        uint64_t bytes = ((uint64_t)(size & ~freed) + 7) & ~(uint64_t)7;
        put(t, slot, make(t, kind_for(t, bytes, size & freed)));
        bytes_made += bytes;
    }
    for (uint64_t i = 0; i < words[0] && MEMORY_FREES; i++)
        drop(table[i]);
    drop(table);
    return bytes_made;
}

uint64_t work_recording(struct thread *t, char **words)
{
    uint32_t *recording = read_all(words[0]);
    uint64_t times = number(words[1]), check = 0, start = now_ns();
    for (uint64_t i = 0; i < times; i++)
        check += replay(t, recording);
    print_seconds(start);
    free(recording);
    return check;
}
