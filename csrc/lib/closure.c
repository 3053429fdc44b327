#include "lib/closure.h"

LIB gcsim_status closure_make(gcsim_mutator *m, const gcsim_type *type, const uint64_t *fixed,
                              const struct closure_capture *captures, uint32_t n, void **out)
{
    *out = (void *)(uintptr_t)fixed;
    if (!n)
        return GCSIM_OK;
    char *f = gcsim_new(m, type);
    *out = f;
    if (!f)
        return m->status;
    *(uint64_t *)(void *)f = *fixed;
    for (uint32_t i = 0; i < n; i++)
        if (captures[i].type->bytes)
            m->api->copy(m, captures[i].type, f + captures[i].offset, captures[i].value, 1);
    return GCSIM_OK;
}
