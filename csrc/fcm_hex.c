#include "fcm_hex.h"
#include "fcm_cpu.h"

#include <string.h>

/* "00" to "FF" */
#define ROW(h) h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "A" h "B" h "C" h "D" h "E" h "F"
static const char pairs[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6") ROW("7")
    ROW("8") ROW("9") ROW("A") ROW("B") ROW("C") ROW("D") ROW("E") ROW("F");

void fcm_hex_encode_scalar(char *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i++) memcpy(dst + 2 * i, pairs + 2 * src[i], 2);
}

/* A digit's value below a flag; 0 for anything else. */
enum { LOW = 0x100, HIGH = LOW << 4, BOTH = HIGH | LOW };
#define D(n) (LOW | (n))
static const uint16_t value[256] = {
    ['0'] = D(0),  ['1'] = D(1),  ['2'] = D(2),  ['3'] = D(3),  ['4'] = D(4),  ['5'] = D(5),
    ['6'] = D(6),  ['7'] = D(7),  ['8'] = D(8),  ['9'] = D(9),  ['A'] = D(10), ['B'] = D(11),
    ['C'] = D(12), ['D'] = D(13), ['E'] = D(14), ['F'] = D(15), ['a'] = D(10), ['b'] = D(11),
    ['c'] = D(12), ['d'] = D(13), ['e'] = D(14), ['f'] = D(15),
};

/* The octet of two digits, with both flags; a flag is missing where one is bad. */
static inline unsigned octet(const char *src)
{
    return (unsigned)value[(uint8_t)src[0]] << 4 | value[(uint8_t)src[1]];
}

/* 8 digits to 4 octets; false, and nothing written, if one is bad. */
static inline bool decode_4(uint8_t *dst, const char *src)
{
    unsigned a = octet(src), b = octet(src + 2), c = octet(src + 4), d = octet(src + 6);
    if ((a & b & c & d & BOTH) != BOTH) return false;
    dst[0] = (uint8_t)a;
    dst[1] = (uint8_t)b;
    dst[2] = (uint8_t)c;
    dst[3] = (uint8_t)d;
    return true;
}

ptrdiff_t fcm_hex_decode_scalar(uint8_t *dst, const char *src, size_t len)
{
    size_t i = 0;
    while (i + 4 <= len && decode_4(dst + i, src + 2 * i)) i += 4;
    for (; i < len; i++) {
        unsigned both = octet(src + 2 * i);
        if ((both & BOTH) != BOTH) return -1 - (ptrdiff_t)(2 * i + ((both & HIGH) != 0));
        dst[i] = (uint8_t)both;
    }
    return (ptrdiff_t)len;
}

ptrdiff_t fcm_hex_decode_rest(uint8_t *dst, const char *src, size_t len, size_t done)
{
    ptrdiff_t rest = fcm_hex_decode_scalar(dst + done, src + 2 * done, len - done);
    return rest < 0 ? rest - 2 * (ptrdiff_t)done : (ptrdiff_t)len;
}

static const struct fcm_hex scalar = {"scalar", fcm_hex_encode_scalar, fcm_hex_decode_scalar};

const struct fcm_hex *const *fcm_hex_list(void)
{
#if defined(FCM_WITH_X86)
    static const struct fcm_hex *const all[] = {&fcm_hex_avx512, &fcm_hex_avx2, &fcm_hex_ssse3, &scalar, NULL};
    return all + (FCM_CPU_AVX512 - fcm_cpu_level());
#elif defined(FCM_WITH_NEON)
    static const struct fcm_hex *const all[] = {&fcm_hex_neon, &scalar, NULL};
    return all;
#else
    static const struct fcm_hex *const all[] = {&scalar, NULL};
    return all;
#endif
}
