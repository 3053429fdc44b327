#include "lib/iface.h"

#include <string.h>

enum {
    IFACE_STACK_MAX = 1024,
    SMALL_NUMBERS = 256
}; // (walk/convert.go:dataWord, iface.go:convT64)

#define SMALL_4(n)  (n), (n) + 1, (n) + 2, (n) + 3
#define SMALL_16(n) SMALL_4(n), SMALL_4((n) + 4), SMALL_4((n) + 8), SMALL_4((n) + 12)
#define SMALL_64(n) SMALL_16(n), SMALL_16((n) + 16), SMALL_16((n) + 32), SMALL_16((n) + 48)
static const uint64_t small_numbers[SMALL_NUMBERS] = {// (iface.go:staticuint64s)
                                                      SMALL_64(0), SMALL_64(64), SMALL_64(128),
                                                      SMALL_64(192)};
static const uint64_t zero_value[3]; // (runtime.go:zeroVal): a string or slice header of it

static bool is_byte(const gcsim_type *t, uint32_t sole)
{
    return sole == GCSIM_KIND_BOOL ||
           (t->bytes == 1 && (sole == GCSIM_KIND_INT8 || sole == GCSIM_KIND_UINT8));
}

// What the run-time library is called for (walk/convert.go:dataWordFuncName).
static enum iface_way called_for(const gcsim_type *t, uint32_t sole)
{
    if (t->bytes == 2 && t->align == 2)
        return IFACE_2;
    if (t->bytes == 4 && t->align == 4 && !t->ptr_bytes)
        return IFACE_4;
    if (t->bytes == 8 && t->align == 8 && !t->ptr_bytes)
        return IFACE_8;
    if (sole == GCSIM_KIND_STRING)
        return IFACE_STRING;
    return sole == GCSIM_KIND_SLICE ? IFACE_SLICE : IFACE_COPY;
}

LIB enum iface_way iface_way(const gcsim_type *t, uint32_t sole, bool constant, bool escapes)
{
    if (iface_is_direct(t))
        return IFACE_DIRECT;
    if (t->bytes == 0)
        return IFACE_NO_BYTES;
    if (is_byte(t, sole))
        return IFACE_BYTE;
    if (constant)
        return IFACE_CONSTANT;
    if (!escapes && t->bytes <= IFACE_STACK_MAX)
        return IFACE_ON_STACK;
    return called_for(t, sole);
}

// The value as a number of up to 8 bytes; little endian, as all that gcsim runs on.
static uint64_t number_at(const void *value, uint64_t bytes)
{
    uint64_t n = 0;
    memcpy(&n, value, bytes);
    return n;
}

LIB bool iface_allocates(enum iface_way way, const gcsim_type *t, const void *value)
{
    switch (way) {
    case IFACE_2:
    case IFACE_4:
    case IFACE_8:
        return number_at(value, t->bytes) >= SMALL_NUMBERS;
    case IFACE_STRING:
        return ((const int64_t *)value)[1] != 0;
    case IFACE_SLICE:
        return *(void *const *)value != NULL;
    default:
        return way == IFACE_COPY;
    }
}

static const void *without_memory(enum iface_way way, const gcsim_type *t, const void *value)
{
    switch (way) {
    case IFACE_DIRECT:
        return *(void *const *)value;
    case IFACE_NO_BYTES:
        return zero_value;
    case IFACE_BYTE:
    case IFACE_2:
    case IFACE_4:
    case IFACE_8:
        return &small_numbers[number_at(value, t->bytes)];
    case IFACE_STRING:
    case IFACE_SLICE:
        return zero_value;
    default:
        return value;
    }
}

LIB gcsim_status iface_data(gcsim_mutator *m, enum iface_way way, const gcsim_type *t,
                            const void *value, void **data)
{
    if (!iface_allocates(way, t, value)) {
        *data = (void *)(uintptr_t)without_memory(way, t, value);
        return GCSIM_OK;
    }
    if (!(*data = gcsim_new(m, t)))
        return m->status;
    m->api->copy(m, t, *data, value, 1);
    return GCSIM_OK;
}
