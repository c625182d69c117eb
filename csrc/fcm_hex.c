#include "fcm_hex.h"
#include "fcm_cpu.h"

void fcm_hex_encode_scalar(char *dst, const uint8_t *src, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
}

/* 16 plus its value for a digit, 0 for anything else. */
#define D(n) (16 + (n))
static const uint8_t value[256] = {
    ['0'] = D(0),  ['1'] = D(1),  ['2'] = D(2),  ['3'] = D(3),  ['4'] = D(4),  ['5'] = D(5),
    ['6'] = D(6),  ['7'] = D(7),  ['8'] = D(8),  ['9'] = D(9),  ['A'] = D(10), ['B'] = D(11),
    ['C'] = D(12), ['D'] = D(13), ['E'] = D(14), ['F'] = D(15), ['a'] = D(10), ['b'] = D(11),
    ['c'] = D(12), ['d'] = D(13), ['e'] = D(14), ['f'] = D(15),
};

ptrdiff_t fcm_hex_decode_scalar(uint8_t *dst, const char *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned high = value[(uint8_t)src[2 * i]], low = value[(uint8_t)src[2 * i + 1]];
        if (!(high & low & 16)) return -1 - (ptrdiff_t)(2 * i + (high != 0));
        dst[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return (ptrdiff_t)len;
}

static const struct fcm_hex scalar = {"scalar", fcm_hex_encode_scalar, fcm_hex_decode_scalar};

const struct fcm_hex *const *fcm_hex_list(void)
{
#ifdef FCM_WITH_AVX2
    static const struct fcm_hex *const with_avx2[] = {&fcm_hex_avx2, &scalar, NULL};
    if (fcm_cpu_has_avx2()) return with_avx2;
#endif
    static const struct fcm_hex *const portable[] = {&scalar, NULL};
    return portable;
}
