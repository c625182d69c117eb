#include "check.h"
#include "fcm.h"

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

/* Input and output both end where the mapped memory does, so their starts take every alignment. */
static void round_trip(const struct fcm_hex *hex, size_t len)
{
    char *text = (char *)guarded(1, digits, 2 * len);
    memset(text, 0, 2 * len);
    hex->encode(text, guarded(0, octets, len), len);
    CHECK(memcmp(text, digits, 2 * len) == 0);
    for (size_t i = 0; i < 2 * len; i += 3) text[i] = (char)tolower(text[i]);
    uint8_t *back = guarded(0, octets, len);
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

/* Every byte that is no digit is found, wherever it stands, and so is the first of two. */
static void find_bad(const struct fcm_hex *hex, size_t len)
{
    uint8_t out[MOST];
    for (size_t i = 0; i < 2 * len; i++) {
        char *text = (char *)guarded(1, digits, 2 * len);
        text[2 * len - 1] = text[i] = "/:@G`g\x10\xb0"[i % 8];
        CHECK(hex->decode(out, text, len) == -1 - (ptrdiff_t)i);
    }
}

static void every_byte(const struct fcm_hex *hex)
{
    uint8_t out[32];
    for (int byte = 0; byte < 256; byte++) {
        char *text = (char *)guarded(1, digits, 64);
        text[37] = (char)byte;
        CHECK(hex->decode(out, text, 32) == (isxdigit(byte) ? 32 : -38));
    }
}

void test_hex(void)
{
    prepare();
    for (const struct fcm_hex *const *hex = fcm_hex_list(); *hex; hex++) {
        for (size_t len = 0; len <= MOST; len++) {
            round_trip(*hex, len);
            shifted(*hex, len % 64, len);
            if (len < 100) find_bad(*hex, len);
        }
        for (size_t offset = 0; offset < 64; offset++) shifted(*hex, offset, 97);
        every_byte(*hex);
    }
}
