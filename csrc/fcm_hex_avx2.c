#include "fcm_hex.h"
#include "fcm_cpu.h"

#ifdef FCM_WITH_X86

#include <immintrin.h>

/* Per function, since a build may have only one set of compiler flags for all its files. */
#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i digits_of(__m256i halves)
{
    const __m256i digits = _mm256_broadcastsi128_si256(
        _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'));
    return _mm256_shuffle_epi8(digits, _mm256_and_si256(halves, _mm256_set1_epi8(15)));
}

/* 32 octets to 64 digits.  The unpacking stays within 128 bits, hence the quarters change places first. */
AVX2 static inline void encode_32(char *dst, const uint8_t *src)
{
    __m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)src);
    octets = _mm256_permute4x64_epi64(octets, 0xd8);
    __m256i high = digits_of(_mm256_srli_epi16(octets, 4)), low = digits_of(octets);
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_unpacklo_epi8(high, low));
    _mm256_storeu_si256((__m256i *)(void *)(dst + 32), _mm256_unpackhi_epi8(high, low));
}

/* 16 octets to 32 digits: each octet to a word with its halves swapped apart. */
AVX2 static inline void encode_16(char *dst, const uint8_t *src)
{
    __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)src));
    __m256i halves = _mm256_or_si256(_mm256_slli_epi16(wide, 8), _mm256_srli_epi16(wide, 4));
    _mm256_storeu_si256((__m256i *)(void *)dst, digits_of(halves));
}

AVX2 static void encode(char *dst, const uint8_t *src, size_t len)
{
    if (len < 16) {
        fcm_hex_encode_scalar(dst, src, len);
        return;
    }
    size_t i = 0;
    for (; i + 32 <= len; i += 32) encode_32(dst + 2 * i, src + i);
    for (; i + 16 <= len; i += 16) encode_16(dst + 2 * i, src + i);
    if (i < len) encode_16(dst + 2 * (len - 16), src + len - 16);
}

/* The values of 32 characters; above 15 for one that is no digit. */
AVX2 static inline __m256i values_32(const char *src)
{
    __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)src);
    /* '0'..'9' become the ten largest bytes; a saturating step of 6 then parts them from all others. */
    __m256i number =
        _mm256_subs_epu8(_mm256_add_epi8(text, _mm256_set1_epi8((char)(0xff - '9'))), _mm256_set1_epi8(6));
    __m256i letter = _mm256_sub_epi8(_mm256_and_si256(text, _mm256_set1_epi8((char)0xdf)), _mm256_set1_epi8('A'));
    return _mm256_min_epu8(_mm256_sub_epi8(number, _mm256_set1_epi8((char)0xf0)),
                           _mm256_adds_epu8(letter, _mm256_set1_epi8(10)));
}

AVX2 static inline bool all_digits(__m256i values)
{
    return _mm256_testz_si256(values, _mm256_set1_epi8((char)0xf0));
}

/* 64 digits to 32 octets; returns their values, or-ed together. */
AVX2 static inline __m256i decode_32(uint8_t *dst, const char *src)
{
    const __m256i weights = _mm256_set1_epi16(0x0110);
    __m256i first = values_32(src), second = values_32(src + 32);
    __m256i packed = _mm256_packus_epi16(_mm256_maddubs_epi16(first, weights), _mm256_maddubs_epi16(second, weights));
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_permute4x64_epi64(packed, 0xd8));
    return _mm256_or_si256(first, second);
}

/* 32 digits to 16 octets, in the same way. */
AVX2 static inline __m256i decode_16(uint8_t *dst, const char *src)
{
    __m256i values = values_32(src);
    __m256i words = _mm256_maddubs_epi16(values, _mm256_set1_epi16(0x0110));
    __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)(void *)dst, packed);
    return values;
}

/* As far as blocks of 16 octets go, and the last of them once more for the tail; returns how far it was good. */
AVX2 static inline size_t decode_blocks(uint8_t *dst, const char *src, size_t len, size_t done)
{
    if (done == len || len < 16) return done;
    while (done + 16 <= len && all_digits(decode_16(dst + done, src + 2 * done))) done += 16;
    bool tail = done < len && len - done < 16;
    return tail && all_digits(decode_16(dst + len - 16, src + 2 * (len - 16))) ? len : done;
}

AVX2 static ptrdiff_t decode(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    for (; i + 64 <= len; i += 64) {
        __m256i seen = decode_32(dst + i, src + 2 * i);
        seen = _mm256_or_si256(seen, decode_32(dst + i + 32, src + 2 * i + 64));
        if (!all_digits(seen)) break;
    }
    i = decode_blocks(dst, src, len, i);
    return i == len ? (ptrdiff_t)len : fcm_hex_decode_rest(dst, src, len, i);
}

const struct fcm_hex fcm_hex_avx2 = {"avx2", encode, decode};

#else

typedef int fcm_no_avx2_here; /* ISO C wants something in every file */

#endif
