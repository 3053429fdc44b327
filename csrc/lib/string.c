#include "lib/string.h"

#include <string.h>

// Memory for len > 0 bytes. Nobody else knows it yet, so its bytes may be written without ado.
static gcsim_status string_memory(gcsim_mutator *m, const gcsim_type *byte, int64_t len, char **out)
{
    *out = m->api->new_array(m, byte, (uint64_t)len);
    return *out ? GCSIM_OK : m->status;
}

LIB gcsim_status string_make(gcsim_mutator *m, const gcsim_type *byte, const void *bytes,
                             int64_t len, struct string *out)
{
    char *p;
    *out = (struct string){NULL, 0};
    if (len <= 0)
        return len < 0 ? GCSIM_BAD_SIZE : GCSIM_OK;
    gcsim_status status = string_memory(m, byte, len, &p);
    if (status != GCSIM_OK)
        return status;
    memcpy(p, bytes, (size_t)len);
    *out = (struct string){p, len};
    return GCSIM_OK;
}

LIB struct string string_cut(struct string s, int64_t from, int64_t to)
{
    return (struct string){to > from ? s.ptr + from : s.ptr, to - from};
}

LIB gcsim_status string_concat(gcsim_mutator *m, const gcsim_type *byte, const struct string *a,
                               int64_t n, struct string *out)
{
    int64_t len = 0, parts = 0, last = 0;
    *out = (struct string){NULL, 0};
    for (int64_t i = 0; i < n; i++) {
        if (a[i].len == 0)
            continue;
        if (__builtin_add_overflow(len, a[i].len, &len))
            return GCSIM_BAD_SIZE;
        parts++;
        last = i;
    }
    if (parts <= 1) {
        if (parts)
            *out = a[last];
        return GCSIM_OK;
    }
    char *p;
    gcsim_status status = string_memory(m, byte, len, &p);
    if (status != GCSIM_OK)
        return status;
    *out = (struct string){p, len};
    for (int64_t i = 0; i < n; p += a[i].len, i++)
        if (a[i].len)
            memcpy(p, a[i].ptr, (size_t)a[i].len);
    return GCSIM_OK;
}
