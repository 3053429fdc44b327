// The functions of lib.def and their table: lib for `gcsim.lowlevel`, over either instantiation, as the mutator says.
#include "gcsim/gcsim.h"

#include "ffi/cdef.h"

#include "alloc/sizeclass.c"
#include "lib/buffer.c"
#include "lib/builder.c"
#include "lib/slice.c"
#include "lib/string.c"

static struct slice *slice_at_words(uint64_t *words) { return (struct slice *)(void *)words; }
static struct string *string_at_words(uint64_t *words) { return (struct string *)(void *)words; }
static struct builder *builder_at_words(uint64_t *words) { return (struct builder *)(void *)words; }
static struct buffer *buffer_at_words(uint64_t *words) { return (struct buffer *)(void *)words; }
static struct slice slice_of(const uint64_t *words)
{
    return *(const struct slice *)(const void *)words;
}
static struct string string_of(const uint64_t *words)
{
    return *(const struct string *)(const void *)words;
}

#define lib_slice_next_cap slice_next_cap
static gcsim_status lib_slice_make(gcsim_mutator *m, const gcsim_type *elem, int64_t len,
                                   int64_t cap, uint64_t *s)
{
    return slice_make(m, elem, len, cap, slice_at_words(s));
}
static gcsim_status lib_slice_append(gcsim_mutator *m, const gcsim_type *elem, uint64_t *s,
                                     const uint64_t *values)
{
    struct slice out;
    gcsim_status status = slice_append(m, elem, slice_of(s), slice_of(values), &out);
    if (status == GCSIM_OK)
        *slice_at_words(s) = out;
    return status;
}

static gcsim_status lib_string_make(gcsim_mutator *m, const gcsim_type *byte, const void *bytes,
                                    int64_t len, uint64_t *s)
{
    return string_make(m, byte, bytes, len, string_at_words(s));
}
static gcsim_status lib_string_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                      const uint64_t *strings, int64_t n, uint64_t *s)
{
    return string_concat(m, byte, local, (const struct string *)(const void *)strings, n,
                         string_at_words(s));
}
static gcsim_status lib_bytes_concat(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                     const uint64_t *strings, int64_t n, uint64_t *s)
{
    return bytes_concat(m, byte, local, (const struct string *)(const void *)strings, n,
                        slice_at_words(s));
}
static uint32_t lib_string_equal(const uint64_t *a, const uint64_t *b)
{
    return string_equal(string_of(a), string_of(b));
}
static gcsim_status lib_string_from_bytes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                          const uint64_t *bytes, uint64_t *s)
{
    return string_from_bytes(m, byte, local, slice_of(bytes), string_at_words(s));
}
static gcsim_status lib_bytes_from_string(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                          const uint64_t *string, uint64_t *s)
{
    return bytes_from_string(m, byte, local, string_of(string), slice_at_words(s));
}
static gcsim_status lib_runes_from_string(gcsim_mutator *m, const gcsim_type *rune, int32_t *local,
                                          const uint64_t *string, uint64_t *s)
{
    return runes_from_string(m, rune, local, string_of(string), slice_at_words(s));
}
static gcsim_status lib_string_from_runes(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                          const uint64_t *runes, uint64_t *s)
{
    return string_from_runes(m, byte, local, slice_of(runes), string_at_words(s));
}
static gcsim_status lib_string_from_rune(gcsim_mutator *m, const gcsim_type *byte, char *local,
                                         int64_t rune, uint64_t *s)
{
    return string_from_rune(m, byte, local, rune, string_at_words(s));
}

static gcsim_status lib_builder_write(gcsim_mutator *m, const gcsim_type *byte, uint64_t *builder,
                                      const void *bytes, int64_t len)
{
    return builder_write(m, byte, builder_at_words(builder), bytes, len);
}
static gcsim_status lib_builder_write_byte(gcsim_mutator *m, const gcsim_type *byte,
                                           uint64_t *builder, uint32_t c)
{
    return builder_write_byte(m, byte, builder_at_words(builder), (unsigned char)c);
}
static gcsim_status lib_builder_write_rune(gcsim_mutator *m, const gcsim_type *byte,
                                           uint64_t *builder, int32_t rune)
{
    return builder_write_rune(m, byte, builder_at_words(builder), rune);
}
static gcsim_status lib_builder_grow(gcsim_mutator *m, const gcsim_type *byte, uint64_t *builder,
                                     int64_t n)
{
    return builder_grow(m, byte, builder_at_words(builder), n);
}
static void lib_builder_reset(gcsim_mutator *m, uint64_t *builder)
{
    builder_reset(m, builder_at_words(builder));
}

static void lib_buffer_put(gcsim_mutator *m, uint64_t *buffer, const uint64_t *s)
{
    slice_put(m, &buffer_at_words(buffer)->buf, slice_of(s));
}
static gcsim_status lib_buffer_write(gcsim_mutator *m, const gcsim_type *byte, uint64_t *buffer,
                                     const void *bytes, int64_t len)
{
    return buffer_write(m, byte, buffer_at_words(buffer), bytes, len);
}
static gcsim_status lib_buffer_write_byte(gcsim_mutator *m, const gcsim_type *byte,
                                          uint64_t *buffer, uint32_t c)
{
    return buffer_write_byte(m, byte, buffer_at_words(buffer), (unsigned char)c);
}
static gcsim_status lib_buffer_write_rune(gcsim_mutator *m, const gcsim_type *byte,
                                          uint64_t *buffer, int32_t rune)
{
    return buffer_write_rune(m, byte, buffer_at_words(buffer), rune);
}
static gcsim_status lib_buffer_grow(gcsim_mutator *m, const gcsim_type *byte, uint64_t *buffer,
                                    int64_t n)
{
    return buffer_grow(m, byte, buffer_at_words(buffer), n);
}

// So many bytes, as many at a time as there is room for.
static int64_t lib_read(void *arg, void *to, int64_t room)
{
    int64_t *left = arg, n = *left < room ? *left : room;
    memset(to, 'r', (size_t)n);
    *left -= n;
    return n;
}
static gcsim_status lib_buffer_read_from(gcsim_mutator *m, const gcsim_type *byte, uint64_t *buffer,
                                         int64_t n, int64_t *got)
{
    return buffer_read_from(m, byte, buffer_at_words(buffer), lib_read, &n, got);
}
static int64_t lib_buffer_next(uint64_t *buffer, int64_t n)
{
    return buffer_next(buffer_at_words(buffer), n).len;
}
static gcsim_status lib_buffer_truncate(uint64_t *buffer, int64_t n)
{
    return buffer_truncate(buffer_at_words(buffer), n);
}
static void lib_buffer_reset(uint64_t *buffer) { buffer_reset(buffer_at_words(buffer)); }

static const gcsim_lib_calls lib_table = {
    .bytes = sizeof(gcsim_lib_calls),
#define LIB_CALL(ret, name, n, ...) .name = lib_##name,
#include "ffi/lib.def"
#undef LIB_CALL
};

const gcsim_lib_calls *gcsim_lib(void) { return &lib_table; }
