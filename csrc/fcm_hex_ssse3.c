#include "fcm_hex.h"
#include "fcm_cpu.h"

#ifdef FCM_WITH_X86

#include <tmmintrin.h>

/* Per function, since a build may have only one set of compiler flags for all its files. */
#define SSSE3 __attribute__((target("ssse3")))

SSSE3 static inline __m128i load(const void *from) { return _mm_loadu_si128((const __m128i *)from); }
SSSE3 static inline void store(void *to, __m128i bytes) { _mm_storeu_si128((__m128i *)to, bytes); }

SSSE3 static inline void encode_16(char *dst, const uint8_t *src)
{
    const __m128i digits =
        _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F');
    const __m128i half = _mm_set1_epi8(15);
    __m128i octets = load(src);
    __m128i high = _mm_shuffle_epi8(digits, _mm_and_si128(_mm_srli_epi16(octets, 4), half));
    __m128i low = _mm_shuffle_epi8(digits, _mm_and_si128(octets, half));
    store(dst, _mm_unpacklo_epi8(high, low));
    store(dst + 16, _mm_unpackhi_epi8(high, low));
}

SSSE3 static void encode(char *dst, const uint8_t *src, size_t len)
{
    if (len < 16) {
        fcm_hex_encode_scalar(dst, src, len);
        return;
    }
    size_t i = 0;
    for (; i + 16 <= len; i += 16) encode_16(dst + 2 * i, src + i);
    if (i < len) encode_16(dst + 2 * (len - 16), src + len - 16);
}

/* The values of 16 characters; above 15 for one that is no digit. */
SSSE3 static inline __m128i values_16(const char *src)
{
    __m128i text = load(src);
    /* '0'..'9' become the ten largest bytes; a saturating step of 6 then parts them from all others. */
    __m128i number = _mm_subs_epu8(_mm_add_epi8(text, _mm_set1_epi8((char)(0xff - '9'))), _mm_set1_epi8(6));
    __m128i letter = _mm_sub_epi8(_mm_and_si128(text, _mm_set1_epi8((char)0xdf)), _mm_set1_epi8('A'));
    return _mm_min_epu8(_mm_sub_epi8(number, _mm_set1_epi8((char)0xf0)), _mm_adds_epu8(letter, _mm_set1_epi8(10)));
}

/* 32 digits to 16 octets; false, and nothing of use written, if one is bad. */
SSSE3 static inline bool decode_16(uint8_t *dst, const char *src)
{
    const __m128i weights = _mm_set1_epi16(0x0110);
    __m128i first = values_16(src), second = values_16(src + 16);
    store(dst, _mm_packus_epi16(_mm_maddubs_epi16(first, weights), _mm_maddubs_epi16(second, weights)));
    __m128i most = _mm_max_epu8(_mm_or_si128(first, second), _mm_set1_epi8(15));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(most, _mm_set1_epi8(15))) == 0xffff;
}

SSSE3 static ptrdiff_t decode(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 16 <= len && decode_16(dst + i, src + 2 * i)) i += 16;
    if (i < len && len >= 16 && len - i < 16 && decode_16(dst + len - 16, src + 2 * (len - 16))) i = len;
    return fcm_hex_decode_rest(dst, src, len, i);
}

const struct fcm_hex fcm_hex_ssse3 = {"ssse3", encode, decode};

#else

typedef int fcm_no_ssse3_here; /* ISO C wants something in every file */

#endif
