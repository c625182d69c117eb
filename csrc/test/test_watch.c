#include "check.h"
#include "fcm.h"

#include <stdio.h>
#include <string.h>

#define NC "\r\nNO CARRIER\r\n"
#define OK "\r\nOK\r\n"
#define RULE(text, where, index, most) {text, sizeof(text) - 1, index, where, most}

static const struct fcm_rule rules[] = {
    RULE("+QIURC: \"recv\",", FCM_AFTER_LINE, 1, 1500),
    RULE("+QMTRECV: ", FCM_INSIDE, 3, 4096),
};
enum { HOLD = 20, BOTH = FCM_NO_CARRIER | FCM_OK };

/* What of a stream is payload, what is withheld, and why. */
struct ending {
    const char *payload, *withheld;
    uint8_t verdict, marker, markers;
};

static const struct ending endings[] = {
    {"abc", "", FCM_CLEAR, 0, BOTH},
    {"abc", "\r", FCM_HELD, 0, BOTH},
    {"abc", "\r\n", FCM_HELD, 0, FCM_OK},
    {"abc\r\n", "", FCM_CLEAR, 0, 0},
    {"abc", "\r\nO", FCM_HELD, 0, BOTH},
    {"abc\r\nO", "", FCM_CLEAR, 0, FCM_NO_CARRIER},
    {"abc\r", "\r\nNO CARRIER\r", FCM_HELD, 0, BOTH},
    {"abc", NC, FCM_SUSPECT, FCM_NO_CARRIER, FCM_NO_CARRIER},
    {"abc" "\r\nNO CARRIER", "\r\n", FCM_HELD, 0, FCM_OK},
    {"abc", OK, FCM_SUSPECT, FCM_OK, BOTH},
    {"abc" NC "x", "", FCM_CLEAR, 0, BOTH},
    {"abc", NC "\r", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc", NC "\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc" NC "\r\nx", "", FCM_CLEAR, 0, BOTH},
    {"abc" NC "\r\nx", "\r\n", FCM_HELD, 0, BOTH},
    {"abc" NC, NC, FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc", NC "\r\n+QIURC: \"closed\",0\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc", NC "\r\n+QIURC", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc" NC "\r\n+QI\nURC", "", FCM_CLEAR, 0, BOTH},
    {"abc" NC "\r\n+X\r\n+Y", "", FCM_CLEAR, 0, BOTH},
    {"abc", NC "\r\nSEND O", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc" NC "\r\nSEND", "\r\n", FCM_HELD, 0, BOTH},
    {"abc", NC "\r\nSEND OK", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc", NC "\r\nSEND OK\r\n\r\nready\r\n\r\nRDY\r\n\r\nCONNECT\r\n\r\nERROR\r\n\r\nSEND FAIL\r\n",
     FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"abc" NC "\r\nSEND OKAY", "\r\n", FCM_HELD, 0, BOTH},
    {"", NC "\r\n+QIURC: \"recv\",3,5\r\nab\r\r\n\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"", NC "\r\n+QIURC: \"recv\",3,5\r\nab", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {NC "\r\n+QIURC: \"recv\",3,5\r\nabcdex", "", FCM_CLEAR, 0, BOTH},
    {"", NC "\r\n+QIURC: \"recv\",3,5\r\nabcde\r\n\r\n+Y\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"", NC "\r\n+QIURC: \"recv\",3,5\r\nabcde\r\n+Y\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {"", NC "\r\n+QMTRECV: 0,0,t,4,\"a\r\nb\"\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {NC "\r\n+QMTRECV: 0,0,t,4,\"a\r\nb\"x", "", FCM_CLEAR, 0, BOTH},
    {"", NC "\r\n+QMTRECV: 0,0,t,4,\"a", FCM_SUSPECT, FCM_NO_CARRIER, BOTH},
    {NC "x", OK "\r\n+A\r\n", FCM_SUSPECT, FCM_OK, BOTH},
    {"abc", "\r\nready\r\n", FCM_SUSPECT, FCM_READY, BOTH | FCM_READY | FCM_RDY},
    {"\r\nready", "\r\nRDY\r\n\r\nERROR\r\n", FCM_SUSPECT, FCM_RDY, BOTH | FCM_READY | FCM_RDY},
    {NC "x", "\r\nRDY\r\n" "\r\n+A\r\n\r\nready\r\n", FCM_SUSPECT, FCM_RDY, BOTH | FCM_READY | FCM_RDY},
    {"\r\nready\r\n", NC "\r\n+A\r\n\r\nready\r\n", FCM_SUSPECT, FCM_NO_CARRIER, BOTH | FCM_READY | FCM_RDY},
    {"abc\r\nready", "\r\n", FCM_HELD, 0, BOTH},
};

/* Present `bytes` in two pieces, as a pump does. */
static size_t watch(struct fcm_watch *w, const char *bytes, size_t cut)
{
    size_t len = strlen(bytes);
    size_t done = fcm_watch_step(w, guarded(0, bytes, cut), cut, 1000);
    return done + fcm_watch_step(w, guarded(0, bytes + done, len - done), len - done, 1001);
}

static void test_endings(void)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const struct ending *e = &endings[i];
        char bytes[256];
        size_t payload = strlen(e->payload), len = payload + strlen(e->withheld);
        snprintf(bytes, sizeof bytes, "%s%s", e->payload, e->withheld);
        for (size_t cut = 0; cut <= len; cut++) {
            struct fcm_watch w;
            fcm_watch_init(&w, e->markers, rules, 2, HOLD, 0);
            size_t done = watch(&w, bytes, cut);
            bool right = done == payload && w.verdict == e->verdict && w.marker == e->marker;
            if (!CHECK(right)) fprintf(stderr, "ending %zu, cut %zu\n", i, cut);
            CHECK((w.deadline == FCM_NEVER) == (payload == len));
        }
    }
}

static void test_time(void)
{
    struct fcm_watch w;
    fcm_watch_init(&w, FCM_NO_CARRIER, NULL, 0, HOLD, 0);
    CHECK(fcm_watch_step(&w, guarded(0, "a\r\nNO", 5), 5, 100) == 1 && w.deadline == 120);
    CHECK(fcm_watch_step(&w, guarded(0, "\r\nNO", 4), 4, 119) == 0 && w.verdict == FCM_HELD);
    CHECK(fcm_watch_step(&w, guarded(0, "\r\nNO", 4), 4, 120) == 4 && w.verdict == FCM_CLEAR);
    CHECK(w.deadline == FCM_NEVER);
    CHECK(fcm_watch_step(&w, guarded(0, NC, 14), 14, 200) == 0 && w.deadline == 220);
    CHECK(fcm_watch_step(&w, guarded(0, NC, 14), 14, 219) == 0 && w.verdict == FCM_SUSPECT);
    CHECK(fcm_watch_step(&w, guarded(0, NC, 14), 14, 220) == 0 && w.verdict == FCM_SILENT && w.deadline == FCM_NEVER);
    CHECK(fcm_watch_marker_len(&w) == 14 && fcm_watch_last_line(&w) == 14);
    CHECK(fcm_watch_step(&w, guarded(0, NC "\r\n+A", 18), 18, 300) == 0 && w.verdict == FCM_SUSPECT);
    CHECK(fcm_watch_step(&w, guarded(0, NC "\r\n+A", 18), 18, 320) == 0 && w.verdict == FCM_SILENT);
    CHECK(fcm_watch_step(&w, guarded(0, NC OK "\r\n+A", 24), 24, 330) == 0 && fcm_watch_last_line(&w) == 20);
    fcm_watch_release(&w);
    CHECK(w.verdict == FCM_CLEAR && w.marker == 0 && fcm_watch_marker_len(&w) == 0 && fcm_watch_last_line(&w) == 0);
    CHECK(fcm_watch_step(&w, guarded(0, "a", 1), 1, 321) == 1);
}

/* The worst that can be sent: line ends everywhere, or markers that all break at the very end. */
static void test_tail(void)
{
    static char long_line[2 * FCM_WATCH_TAIL];
    struct fcm_watch w;
    fcm_watch_init(&w, BOTH, rules, 2, HOLD, 0);
    memset(long_line, '+', sizeof long_line);
    memcpy(long_line, NC "\r\n", 16);
    const uint8_t *end = guarded(0, long_line, sizeof long_line);
    CHECK(fcm_watch_step(&w, end, FCM_WATCH_TAIL, 1) == 0 && w.verdict == FCM_SUSPECT);
    CHECK(fcm_watch_step(&w, end, FCM_WATCH_TAIL + 1, 1) == FCM_WATCH_TAIL + 1 && w.verdict == FCM_CLEAR);
    for (size_t i = 0; i + 6 <= sizeof long_line; i += 6) memcpy(long_line + i, OK, 6);
    end = guarded(0, long_line, 4092);
    CHECK(fcm_watch_step(&w, end, 4092, 2) == 4092 - 6 && w.verdict == FCM_SUSPECT);
    long_line[4091] = 'x';
    fcm_watch_release(&w);
    CHECK(fcm_watch_step(&w, guarded(0, long_line, 4092), 4092, 2) == 4092 && w.verdict == FCM_CLEAR);
}

void test_watch(void)
{
    test_endings();
    test_time();
    test_tail();
}
