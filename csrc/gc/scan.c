#include "gc/scan.h"

#include "base/bits.h"
#include "gcsim/gcsim.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Mutators store to objects while they are scanned, and free slots may be poisoned: the sanitizers see only kernels that load the words
// they need, one by one.
#if defined(CORE_TSAN) || defined(CORE_ASAN)
#define SCAN_VECTORS 0
#else
#define SCAN_VECTORS 1
#endif

// --- from objects to words -------------------------------------------------------------------------------------------

// Each of 32 bits twice.
static uint64_t twice(uint64_t x)
{
    x &= UINT32_MAX;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x << 2) & 0x3333333333333333;
    x = (x | x << 1) & 0x5555555555555555;
    return x | x << 1;
}

static void expand_each(const uint64_t *objects, uint32_t nelems, uint32_t slot_words,
                        uint64_t *masks)
{
    memset(masks, 0, SCAN_MASKS * sizeof *masks);
    uint64_t words = bits_low(slot_words);
    for (uint32_t w = 0; w * 64 < nelems; w++)
        for (uint64_t bits = objects[w]; bits; bits &= bits - 1) {
            uint32_t at = (w * 64 + bits_lowest(bits)) * slot_words;
            masks[at / 64] |= words << at % 64;
            if (at % 64 + slot_words > 64)
                masks[at / 64 + 1] |= words >> (64 - at % 64);
        }
}

CORE void scan_expand(const uint64_t *objects, uint32_t nelems, uint32_t slot_words,
                      uint64_t masks[SCAN_MASKS])
{
    if (slot_words & (slot_words - 1)) {
        expand_each(objects, nelems, slot_words, masks);
        return;
    }
    uint32_t n = (uint32_t)divide_up(nelems, 64);
    memset(masks, 0, SCAN_MASKS * sizeof *masks);
    memcpy(masks, objects, n * sizeof *masks);
    for (; slot_words > 1; slot_words /= 2) {
        for (uint32_t i = n < SCAN_MASKS / 2 ? n : SCAN_MASKS / 2; i-- > 0;) {
            uint64_t bits = masks[i];
            masks[2 * i] = twice(bits);
            masks[2 * i + 1] = twice(bits >> 32);
        }
        n *= 2;
    }
}

// --- kernels ---------------------------------------------------------------------------------------------------------

static char **scan_plain(char *const *page, const uint64_t masks[SCAN_MASKS], char **out)
{
    for (uint32_t w = 0; w < SCAN_MASKS; w++, page += 64)
        for (uint64_t bits = masks[w]; bits; bits &= bits - 1) {
            char *p = GCSIM_LOAD(&page[bits_lowest(bits)]);
            *out = p;
            out += p != NULL;
        }
    return out;
}

static bool fits_always(void) { return true; }

#if SCAN_VECTORS && defined(__x86_64__)

// Which halves of four words go where, so that the chosen ones lie in front.
#define HALVES(a, b, c, d)                                                                         \
    {2 * (a), 2 * (a) + 1, 2 * (b), 2 * (b) + 1, 2 * (c), 2 * (c) + 1, 2 * (d), 2 * (d) + 1}
static const uint32_t pack_four[16][8] __attribute__((aligned(32))) = {
    HALVES(0, 0, 0, 0), HALVES(0, 0, 0, 0), HALVES(1, 0, 0, 0), HALVES(0, 1, 0, 0),
    HALVES(2, 0, 0, 0), HALVES(0, 2, 0, 0), HALVES(1, 2, 0, 0), HALVES(0, 1, 2, 0),
    HALVES(3, 0, 0, 0), HALVES(0, 3, 0, 0), HALVES(1, 3, 0, 0), HALVES(0, 1, 3, 0),
    HALVES(2, 3, 0, 0), HALVES(0, 2, 3, 0), HALVES(1, 2, 3, 0), HALVES(0, 1, 2, 3)};

__attribute__((target("avx2,popcnt,bmi"))) static char **scan_avx2(char *const *page,
                                                                   const uint64_t masks[SCAN_MASKS],
                                                                   char **out)
{
    for (uint32_t w = 0; w < SCAN_MASKS; w++, page += 64)
        for (uint64_t bits = masks[w]; bits;) {
            uint32_t at = (uint32_t)__builtin_ctzll(bits) & ~3u, four = bits >> at & 15;
            bits &= ~(15ull << at);
            __m256i words = _mm256_load_si256((const __m256i *)(const void *)(page + at));
            __m256i nil = _mm256_cmpeq_epi64(words, _mm256_setzero_si256());
            four &= ~(uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(nil));
            __m256i order = _mm256_load_si256((const __m256i *)(const void *)pack_four[four]);
            _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permutevar8x32_epi32(words, order));
            out += __builtin_popcount(four);
        }
    return out;
}

static bool fits_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi");
}

// Compressed in a register, then stored: with memory as its target VPCOMPRESSQ is slow on some processors.
__attribute__((target("avx512f,popcnt,bmi"))) static char **scan_avx512(
    char *const *page, const uint64_t masks[SCAN_MASKS], char **out)
{
    for (uint32_t w = 0; w < SCAN_MASKS; w++, page += 64)
        for (uint64_t bits = masks[w]; bits;) {
            uint32_t at = (uint32_t)__builtin_ctzll(bits) & ~7u;
            __mmask8 eight = (__mmask8)(bits >> at & 255);
            bits &= ~(255ull << at);
            __m512i words = _mm512_load_si512(page + at);
            eight = _mm512_mask_test_epi64_mask(eight, words, words);
            _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(eight, words));
            out += __builtin_popcount(eight);
        }
    return out;
}

static bool fits_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi");
}

#elif SCAN_VECTORS && defined(__aarch64__)

// Two words at a time: if the second alone is chosen, it moves to the front.
static char **scan_neon(char *const *page, const uint64_t masks[SCAN_MASKS], char **out)
{
    for (uint32_t w = 0; w < SCAN_MASKS; w++, page += 64)
        for (uint64_t bits = masks[w]; bits;) {
            uint32_t at = (uint32_t)__builtin_ctzll(bits) & ~1u;
            uint64x2_t words = vld1q_u64((const uint64_t *)(const void *)(page + at));
            uint64_t first = (bits >> at & 1) & (vgetq_lane_u64(words, 0) != 0),
                     second = (bits >> at >> 1 & 1) & (vgetq_lane_u64(words, 1) != 0);
            bits &= ~(3ull << at);
            uint64x2_t swapped = vextq_u64(words, words, 1);
            vst1q_u64((uint64_t *)(void *)out, first ? words : swapped);
            out += first + second;
        }
    return out;
}

#endif

static const struct scan_kind scan_kinds[] = {
#if SCAN_VECTORS && defined(__x86_64__)
    {"AVX-512", scan_avx512, fits_avx512},
    {"AVX2", scan_avx2, fits_avx2},
#elif SCAN_VECTORS && defined(__aarch64__)
    {"NEON", scan_neon, fits_always},
#endif
    {"plain", scan_plain, fits_always},
};

CORE const struct scan_kind *scan_kind_at(uint32_t index)
{
    return index < sizeof scan_kinds / sizeof *scan_kinds ? &scan_kinds[index] : NULL;
}

CORE scan_kernel scan_choose(void)
{
    const struct scan_kind *kind = scan_kinds;
    while (!kind->fits())
        kind++;
    return kind->scan;
}
