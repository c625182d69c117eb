#include "fcm_hex.h"
#include "fcm_cpu.h"

#ifdef FCM_WITH_NEON

#include <arm_neon.h>

/* Every AArch64 processor has NEON, so that nothing is asked at run time. */

static inline void encode_16(char *dst, const uint8_t *src)
{
    static const uint8_t digits[] = "0123456789ABCDEF";
    const uint8x16_t table = vld1q_u8(digits);
    uint8x16_t octets = vld1q_u8(src);
    uint8x16x2_t text;
    text.val[0] = vqtbl1q_u8(table, vshrq_n_u8(octets, 4));
    text.val[1] = vqtbl1q_u8(table, vandq_u8(octets, vdupq_n_u8(15)));
    vst2q_u8((uint8_t *)dst, text);
}

static void encode(char *dst, const uint8_t *src, size_t len)
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
static inline uint8x16_t values_of(uint8x16_t text)
{
    /* '0'..'9' become the ten largest bytes; a saturating step of 6 then parts them from all others. */
    uint8x16_t number = vqsubq_u8(vaddq_u8(text, vdupq_n_u8(0xff - '9')), vdupq_n_u8(6));
    uint8x16_t letter = vsubq_u8(vandq_u8(text, vdupq_n_u8(0xdf)), vdupq_n_u8('A'));
    return vminq_u8(vsubq_u8(number, vdupq_n_u8(0xf0)), vqaddq_u8(letter, vdupq_n_u8(10)));
}

/* 32 digits to 16 octets; false, and nothing of use written, if one is bad. */
static inline bool decode_16(uint8_t *dst, const char *src)
{
    uint8x16x2_t text = vld2q_u8((const uint8_t *)src);
    uint8x16_t high = values_of(text.val[0]), low = values_of(text.val[1]);
    vst1q_u8(dst, vsliq_n_u8(low, high, 4));
    return vmaxvq_u8(vorrq_u8(high, low)) < 16;
}

static ptrdiff_t decode(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 16 <= len && decode_16(dst + i, src + 2 * i)) i += 16;
    if (i < len && len >= 16 && len - i < 16 && decode_16(dst + len - 16, src + 2 * (len - 16))) i = len;
    return fcm_hex_decode_rest(dst, src, len, i);
}

const struct fcm_hex fcm_hex_neon = {"neon", encode, decode};

#else

typedef int fcm_no_neon_here; /* ISO C wants something in every file */

#endif
