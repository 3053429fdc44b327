// A hash that what is told goes into, word by word.
#pragma once

#include <stdint.h>

static void fold(uint64_t *hash, uint64_t word)
{
    *hash = (*hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 29;
}
