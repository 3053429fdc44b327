#include "lib/string.h"

#include <string.h>

#include "alloc/sizeclass.h"

// Every byte in its place: what strings of one byte point to (iface.go:staticuint64s).
#define STRING_BYTES_4(i) i, i + 1, i + 2, i + 3
#define STRING_BYTES_16(i)                                                                         \
    STRING_BYTES_4(i), STRING_BYTES_4(i + 4), STRING_BYTES_4(i + 8), STRING_BYTES_4(i + 12)
#define STRING_BYTES_64(i)                                                                         \
    STRING_BYTES_16(i), STRING_BYTES_16(i + 16), STRING_BYTES_16(i + 32), STRING_BYTES_16(i + 48)
static const unsigned char string_bytes[256] = {STRING_BYTES_64(0), STRING_BYTES_64(64),
                                                STRING_BYTES_64(128), STRING_BYTES_64(192)};

// Memory for `count` elements, in `local` if they fit there. Nobody else knows it yet, so it may be written without ado. NULL: m->status.
static void *string_memory(gcsim_mutator *m, const gcsim_type *elem, void *local, int64_t count)
{
    return local && count <= STRING_LOCAL ? local : m->api->new_array(m, elem, (uint64_t)count);
}

LIB gcsim_status bytes_make(gcsim_mutator *m, const gcsim_type *elem, void *local, int64_t len,
                            struct slice *out)
{
    int64_t cap = STRING_LOCAL;
    *out = (struct slice){NULL, 0, 0};
    if (local && len <= STRING_LOCAL) {
        memset(local, 0, STRING_LOCAL * elem->bytes);
    } else {
        if (len < 0 || (uint64_t)len > SLICE_MAX_BYTES / elem->bytes)
            return GCSIM_BAD_SIZE;
        cap = (int64_t)(roundupsize((uint64_t)len * elem->bytes, true) / elem->bytes);
        local = m->api->new_array(m, elem, (uint64_t)cap);
        if (!local)
            return m->status;
    }
    *out = (struct slice){local, len, cap};
    return GCSIM_OK;
}

LIB gcsim_status string_make(gcsim_mutator *m, const gcsim_type *byte, const void *bytes,
                             int64_t len, struct string *out)
{
    *out = (struct string){NULL, 0};
    if (len <= 0)
        return len < 0 ? GCSIM_BAD_SIZE : GCSIM_OK;
    char *p = string_memory(m, byte, NULL, len);
    if (!p)
        return m->status;
    memcpy(p, bytes, (size_t)len);
    *out = (struct string){p, len};
    return GCSIM_OK;
}

LIB struct string string_cut(struct string s, int64_t from, int64_t to)
{
    return (struct string){to > from ? s.ptr + from : s.ptr, to - from};
}

LIB bool string_equal(struct string a, struct string b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, (size_t)a.len) == 0);
}

// --- a + b ---------------------------------------------------------------------------------------------------------

// Length of all together; -1: too long. *last: the last that is not empty, *parts: how many are.
static int64_t string_total(const struct string *a, int64_t n, int64_t *parts, int64_t *last)
{
    int64_t len = 0;
    *parts = 0;
    for (int64_t i = 0; i < n; i++) {
        if (a[i].len == 0)
            continue;
        if (__builtin_add_overflow(len, a[i].len, &len))
            return -1;
        ++*parts;
        *last = i;
    }
    return len;
}

static void string_put(char *to, const struct string *a, int64_t n)
{
    for (int64_t i = 0; i < n; to += a[i].len, i++)
        if (a[i].len)
            memcpy(to, a[i].ptr, (size_t)a[i].len);
}

// Whether the bytes may go when the caller returns. Go asks whether they lie on the goroutine's stack.
static bool string_is_local(gcsim_mutator *m, struct string s)
{
    uint64_t bytes, at = (uint64_t)(uintptr_t)s.ptr;
    uint64_t arena = (uint64_t)(uintptr_t)m->api->arena(m->heap, &bytes);
    return at - arena >= bytes && at - (uint64_t)(uintptr_t)string_bytes >= sizeof string_bytes;
}

LIB gcsim_status string_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                               const struct string *a, int64_t n, struct string *out)
{
    int64_t parts, last = 0, len = string_total(a, n, &parts, &last);
    *out = (struct string){NULL, 0};
    if (len <= 0)
        return len < 0 ? GCSIM_BAD_SIZE : GCSIM_OK;
    if (parts == 1 && (local || !string_is_local(m, a[last]))) {
        *out = a[last];
        return GCSIM_OK;
    }
    char *p = string_memory(m, byte, local, len);
    if (!p)
        return m->status;
    string_put(p, a, n);
    *out = (struct string){p, len};
    return GCSIM_OK;
}

LIB gcsim_status bytes_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                              const struct string *a, int64_t n, struct slice *out)
{
    int64_t parts, last = 0, len = string_total(a, n, &parts, &last);
    gcsim_status status = bytes_make(m, byte, len > 0 ? local : NULL, len, out);
    if (status == GCSIM_OK)
        string_put(out->ptr, a, n);
    return status;
}

// --- bytes ---------------------------------------------------------------------------------------------------------

LIB gcsim_status string_from_bytes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct slice b, struct string *out)
{
    if (b.len == 1) {
        *out = (struct string){(const char *)&string_bytes[*(unsigned char *)b.ptr], 1};
        return GCSIM_OK;
    }
    if (!local || b.len > STRING_LOCAL)
        return string_make(m, byte, b.ptr, b.len, out);
    *out = (struct string){b.len ? local : NULL, b.len};
    if (b.len)
        memcpy(local, b.ptr, (size_t)b.len);
    return GCSIM_OK;
}

LIB gcsim_status bytes_from_string(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct string s, struct slice *out)
{
    gcsim_status status = bytes_make(m, byte, local, s.len, out);
    if (status == GCSIM_OK && s.len)
        memcpy(out->ptr, s.ptr, (size_t)s.len);
    return status;
}

// --- runes ---------------------------------------------------------------------------------------------------------

LIB int64_t string_runes(struct string s)
{
    int64_t n = 0;
    int32_t rune;
    for (int64_t i = 0; i < s.len; n++)
        i += utf8_get(s.ptr + i, s.len - i, &rune);
    return n;
}

LIB gcsim_status runes_from_string(gcsim_mutator *m, const gcsim_type *rune, int32_t *local,
                                   struct string s, struct slice *out)
{
    gcsim_status status = bytes_make(m, rune, local, string_runes(s), out);
    if (status != GCSIM_OK)
        return status;
    int32_t *r = out->ptr;
    for (int64_t i = 0; i < s.len; r++)
        i += utf8_get(s.ptr + i, s.len - i, r);
    return GCSIM_OK;
}

LIB gcsim_status string_from_runes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                   struct slice runes, struct string *out)
{
    char one[UTF8_MAX];
    const int32_t *r = runes.ptr;
    int64_t len = 0, at = 0;
    for (int64_t i = 0; i < runes.len; i++)
        len += utf8_put(one, r[i]);
    *out = (struct string){NULL, 0};
    char *p = string_memory(m, byte, local, len + UTF8_MAX - 1); // so that each is written whole
    if (!p)
        return m->status;
    for (int64_t i = 0; i < runes.len; i++)
        at += utf8_put(p + at, r[i]);
    *out = (struct string){p, len};
    return GCSIM_OK;
}

LIB gcsim_status string_from_rune(gcsim_mutator *m, const gcsim_type *byte, char *local, int64_t r,
                                  struct string *out)
{
    *out = (struct string){NULL, 0};
    char *p = string_memory(m, byte, local, UTF8_MAX);
    if (!p)
        return m->status;
    *out = (struct string){p, utf8_put(p, r == (int32_t)r ? (int32_t)r : RUNE_ERROR)};
    return GCSIM_OK;
}
