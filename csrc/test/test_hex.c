#include "check.h"
#include "fcm.h"
#include "fcm_cpu.h"

#include <ctype.h>
#include <string.h>

enum { MOST = 300 };

static uint8_t octets[MOST];
static char digits[2 * MOST];

static void prepare(void)
{
    for (size_t i = 0; i < MOST; i++) {
        octets[i] = (uint8_t)(i * 167 + 13);
        digits[2 * i] = "0123456789ABCDEF"[octets[i] >> 4];
        digits[2 * i + 1] = "0123456789ABCDEF"[octets[i] & 15];
    }
}

typedef uint8_t *place(int slot, const void *data, size_t len);

/* Input and output both touch an end of the mapped memory, so that their starts take every alignment. */
static void round_trip(const struct fcm_hex *hex, place *put, size_t len)
{
    char *text = (char *)put(1, digits, 2 * len);
    memset(text, 0, 2 * len);
    hex->encode(text, put(0, octets, len), len);
    CHECK(memcmp(text, digits, 2 * len) == 0);
    for (size_t i = 0; i < 2 * len; i += 3) text[i] = (char)tolower(text[i]);
    uint8_t *back = put(0, octets, len);
    memset(back, 0, len);
    CHECK(hex->decode(back, text, len) == (ptrdiff_t)len && memcmp(back, octets, len) == 0);
}

static void shifted(const struct fcm_hex *hex, size_t offset, size_t len)
{
    static uint8_t in[MOST + 64], back[MOST + 64];
    static char out[2 * MOST + 64];
    memcpy(in + offset, octets, len);
    memset(out, '!', sizeof out);
    hex->encode(out + offset, in + offset, len);
    CHECK(memcmp(out + offset, digits, 2 * len) == 0 && out[offset + 2 * len] == '!');
    memset(back, '!', sizeof back);
    CHECK(hex->decode(back + offset, out + offset, len) == (ptrdiff_t)len);
    CHECK(memcmp(back + offset, octets, len) == 0 && back[offset + len] == '!');
}

/* A bad digit is found wherever it stands, and it is the first of two. */
static void find_bad(const struct fcm_hex *hex, place *put, size_t len)
{
    uint8_t *out = put(0, octets, len);
    char *text = (char *)put(1, digits, 2 * len);
    for (size_t i = 0; i < 2 * len; i++) {
        char good = text[i], last = text[2 * len - 1];
        text[2 * len - 1] = text[i] = "/:@G`g\x10\xb0"[i % 8];
        CHECK(hex->decode(out, text, len) == -1 - (ptrdiff_t)i);
        text[2 * len - 1] = last;
        text[i] = good;
    }
}

/* Every byte, at every place of a block of each size. */
static void every_byte(const struct fcm_hex *hex, size_t len)
{
    uint8_t *out = guarded(0, octets, len);
    char *text = (char *)guarded(1, digits, 2 * len);
    for (size_t i = 0; i < 2 * len; i++) {
        char good = text[i];
        for (int byte = 0; byte < 256; byte++) {
            text[i] = (char)byte;
            CHECK(hex->decode(out, text, len) == (isxdigit(byte) ? (ptrdiff_t)len : -1 - (ptrdiff_t)i));
        }
        text[i] = good;
    }
}

/* Every octet, in every lane. */
static void every_octet(const struct fcm_hex *hex)
{
    uint8_t in[256], back[256];
    char text[512];
    for (int shift = 0; shift < 256; shift++) {
        for (int i = 0; i < 256; i++) in[i] = (uint8_t)(i + shift);
        hex->encode(text, in, sizeof in);
        for (int i = 0; i < 256; i++) {
            CHECK(text[2 * i] == "0123456789ABCDEF"[in[i] >> 4]);
            CHECK(text[2 * i + 1] == "0123456789ABCDEF"[in[i] & 15]);
        }
        CHECK(hex->decode(back, text, sizeof in) == sizeof in && memcmp(back, in, sizeof in) == 0);
    }
}

static bool listed(const char *name)
{
    for (const struct fcm_hex *const *hex = fcm_hex_list(); *hex; hex++)
        if (strcmp((*hex)->name, name) == 0) return true;
    return false;
}

/* The compiler's own look at the CPU, which the core cannot use, says the same. */
static void list_is_right(void)
{
    CHECK(listed("scalar"));
#ifdef FCM_WITH_X86
    CHECK(listed("ssse3") == !!__builtin_cpu_supports("ssse3"));
    CHECK(listed("avx2") == !!__builtin_cpu_supports("avx2"));
    CHECK(listed("avx512") == (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                               __builtin_cpu_supports("avx512vbmi")));
#endif
#ifdef FCM_WITH_NEON
    CHECK(listed("neon"));
#endif
}

static void one_level(const struct fcm_hex *hex)
{
    for (size_t len = 0; len <= MOST; len++) {
        round_trip(hex, guarded, len);
        round_trip(hex, guarded_start, len);
        shifted(hex, len % 64, len);
        find_bad(hex, guarded, len);
        find_bad(hex, guarded_start, len);
    }
    for (size_t offset = 0; offset < 64; offset++) shifted(hex, offset, 97);
    every_byte(hex, 15);
    every_byte(hex, 64 + 32 + 16 + 15);
    every_octet(hex);
}

void test_hex(void)
{
    prepare();
    list_is_right();
    for (const struct fcm_hex *const *hex = fcm_hex_list(); *hex; hex++) one_level(*hex);
}
