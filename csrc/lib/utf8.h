// UTF-8 as Go reads and writes it (unicode/utf8): what is no rune is written as U+FFFD, and a byte that begins none is read as U+FFFD.
#pragma once

#include <stdint.h>

enum { RUNE_ERROR = 0xfffd, RUNE_MAX = 0x10ffff, UTF8_MAX = 4 };

// Writes a rune: 1 to 4 bytes.
static inline int utf8_put(char *to, int32_t rune)
{
    uint32_t r = (uint32_t)rune;
    if (r > RUNE_MAX || (r >= 0xd800 && r < 0xe000))
        r = RUNE_ERROR;
    int n = r < 0x80 ? 1 : r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
    for (int i = n; --i > 0; r >>= 6)
        to[i] = (char)(0x80 | (r & 0x3f));
    to[0] = (char)(n == 1 ? r : (0xf00u >> n & 0xff) | r);
    return n;
}

// Reads a rune from len > 0 bytes: how many it took, 1 of what is none.
static inline int utf8_get(const char *from, int64_t len, int32_t *rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; // of so many bytes
    const unsigned char *p = (const unsigned char *)from;
    int n = p[0] < 0x80   ? 1
            : p[0] < 0xc0 ? 0
            : p[0] < 0xe0 ? 2
            : p[0] < 0xf0 ? 3
            : p[0] < 0xf8 ? 4
                          : 0;
    *rune = RUNE_ERROR;
    if (n == 0 || n > len)
        return 1;
    uint32_t r = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        r = r << 6 | (p[i] & 0x3f);
    }
    if (r < least[n] || r > RUNE_MAX || (r >= 0xd800 && r < 0xe000))
        return 1;
    *rune = (int32_t)r;
    return n;
}
