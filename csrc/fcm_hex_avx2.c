#include "fcm_hex.h"
#include "fcm_cpu.h"

#ifdef FCM_WITH_AVX2

#include <immintrin.h>

/* Per function, since a build may have only one set of compiler flags for all its files. */
#define AVX2 __attribute__((target("avx2")))

/* 16 bytes to 32 digits: each byte to a word with its halves swapped apart, then a look-up. */
AVX2 static inline void encode_16(char *dst, const uint8_t *src)
{
    const __m256i digits = _mm256_broadcastsi128_si256(
        _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'));
    __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)src));
    __m256i halves = _mm256_or_si256(_mm256_slli_epi16(wide, 8), _mm256_srli_epi16(wide, 4));
    halves = _mm256_and_si256(halves, _mm256_set1_epi8(15));
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_shuffle_epi8(digits, halves));
}

AVX2 static void encode(char *dst, const uint8_t *src, size_t len)
{
    if (len < 16) {
        fcm_hex_encode_scalar(dst, src, len);
        return;
    }
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        encode_16(dst + 2 * i, src + i);
        encode_16(dst + 2 * i + 32, src + i + 16);
    }
    for (; i + 16 <= len; i += 16) encode_16(dst + 2 * i, src + i);
    if (i < len) encode_16(dst + 2 * (len - 16), src + len - 16);
}

/* The values of 32 digits, and in *good what was one. */
AVX2 static inline __m256i values_32(const char *src, __m256i *good)
{
    __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)src);
    __m256i number = _mm256_sub_epi8(text, _mm256_set1_epi8('0'));
    __m256i letter = _mm256_sub_epi8(_mm256_or_si256(text, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    __m256i is_number = _mm256_cmpeq_epi8(_mm256_min_epu8(number, _mm256_set1_epi8(9)), number);
    __m256i is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(5)), letter);
    *good = _mm256_and_si256(*good, _mm256_or_si256(is_number, is_letter));
    return _mm256_blendv_epi8(_mm256_add_epi8(letter, _mm256_set1_epi8(10)), number, is_number);
}

/* 64 digits to 32 bytes; false, and nothing of use written, if one is bad. */
AVX2 static inline bool decode_32(uint8_t *dst, const char *src)
{
    const __m256i weights = _mm256_set1_epi16(0x0110);
    __m256i good = _mm256_set1_epi8(-1);
    __m256i first = _mm256_maddubs_epi16(values_32(src, &good), weights);
    __m256i second = _mm256_maddubs_epi16(values_32(src + 32, &good), weights);
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)dst, bytes);
    return _mm256_movemask_epi8(good) == -1;
}

AVX2 static ptrdiff_t decode(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 32 <= len && decode_32(dst + i, src + 2 * i)) i += 32;
    if (i < len && len >= 32 && len - i < 32 && decode_32(dst + len - 32, src + 2 * (len - 32))) i = len;
    ptrdiff_t rest = fcm_hex_decode_scalar(dst + i, src + 2 * i, len - i);
    return rest < 0 ? rest - 2 * (ptrdiff_t)i : (ptrdiff_t)len;
}

const struct fcm_hex fcm_hex_avx2 = {"avx2", encode, decode};

#else

typedef int fcm_no_avx2_here; /* ISO C wants something in every file */

#endif
