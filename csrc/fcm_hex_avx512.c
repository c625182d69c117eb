#include "fcm_hex.h"
#include "fcm_cpu.h"

#ifdef FCM_WITH_X86

#include <immintrin.h>

/* Per function, since a build may have only one set of compiler flags for all its files. */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

/* The first `count` lanes, of which there is at least one. */
static inline __mmask64 first(size_t count) { return ~UINT64_C(0) >> (64 - count); }

/* 32 octets to 64 digits: each half to a byte of its own; of an index the look-up takes six bits, so that the two
 * bits beside the half matter not where the table repeats. */
AVX512 static inline __m512i digits_of(__m256i octets)
{
    const __m512i digits = _mm512_broadcast_i32x4(
        _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'));
    const __m512i shifts = _mm512_set1_epi64(0x181c1014080c0004);
    __m512i halves = _mm512_multishift_epi64_epi8(shifts, _mm512_cvtepu32_epi64(octets));
    return _mm512_permutexvar_epi8(halves, digits);
}

AVX512 static void encode(char *dst, const uint8_t *src, size_t len)
{
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        __m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)(src + i));
        _mm512_storeu_si512(dst + 2 * i, digits_of(octets));
    }
    if (i == len) return;
    __m256i octets = _mm256_maskz_loadu_epi8((__mmask32)first(len - i), src + i);
    _mm512_mask_storeu_epi8(dst + 2 * i, first(2 * (len - i)), digits_of(octets));
}

#define X 0x80 /* no digit */
static const uint8_t value[128] = {
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 00 */
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 10 */
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 20 */
    0, 1,  2,  3,  4,  5,  6,  7, 8, 9, X, X, X, X, X, X, /* 30 */
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, /* 40 */
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 50 */
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, /* 60 */
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 70 */
};

static const uint8_t even[64] = {
    0,  2,  4,  6,  8,  10, 12, 14,  16,  18,  20,  22,  24,  26,  28,  30,  32,  34,  36,  38,  40,  42,
    44, 46, 48, 50, 52, 54, 56, 58,  60,  62,  64,  66,  68,  70,  72,  74,  76,  78,  80,  82,  84,  86,
    88, 90, 92, 94, 96, 98, 100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126,
};

/* 64 characters to 32 words of an octet each; *bad gets a top bit where one is no digit.  The look-up takes seven bits
 * of a character, so that the eighth is looked at besides. */
AVX512 static inline __m512i words_of(__m512i text, __m512i *bad)
{
    const __m512i low = _mm512_loadu_si512(value), high = _mm512_loadu_si512(value + 64);
    __m512i values = _mm512_permutex2var_epi8(low, text, high);
    *bad = _mm512_or_si512(*bad, _mm512_or_si512(values, text));
    return _mm512_maddubs_epi16(values, _mm512_set1_epi16(0x0110));
}

/* 128 digits to 64 octets; false, and nothing of use written, if one is bad. */
AVX512 static inline bool decode_64(uint8_t *dst, const char *src)
{
    __m512i bad = _mm512_setzero_si512();
    __m512i start = words_of(_mm512_loadu_si512(src), &bad);
    __m512i end = words_of(_mm512_loadu_si512(src + 64), &bad);
    _mm512_storeu_si512(dst, _mm512_permutex2var_epi8(start, _mm512_loadu_si512(even), end));
    return _mm512_movepi8_mask(bad) == 0;
}

/* As many octets as there are, 1 to 32, in the same way. */
AVX512 static inline bool decode_few(uint8_t *dst, const char *src, size_t count)
{
    __m512i bad = _mm512_setzero_si512();
    __m512i text = _mm512_mask_loadu_epi8(_mm512_set1_epi8('0'), first(2 * count), src);
    __m256i octets = _mm512_cvtepi16_epi8(words_of(text, &bad));
    _mm256_mask_storeu_epi8(dst, (__mmask32)first(count), octets);
    return _mm512_movepi8_mask(bad) == 0;
}

AVX512 static ptrdiff_t decode(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 64 <= len && decode_64(dst + i, src + 2 * i)) i += 64;
    while (i + 32 <= len && decode_few(dst + i, src + 2 * i, 32)) i += 32;
    if (i < len && len - i < 32 && decode_few(dst + i, src + 2 * i, len - i)) i = len;
    return i == len ? (ptrdiff_t)len : fcm_hex_decode_rest(dst, src, len, i);
}

const struct fcm_hex fcm_hex_avx512 = {"avx512", encode, decode};

#else

typedef int fcm_no_avx512_here; /* ISO C wants something in every file */

#endif
