#include "check.h"
#include "fcm.h"

#include <stdio.h>
#include <string.h>

#define RULE(text, where, index, most) {text, sizeof(text) - 1, index, where, most}

static const struct fcm_rule rules[] = {
    RULE("+QIURC: \"recv\",", FCM_AFTER_LINE, 1, 1500),
    RULE("+QIRD: ", FCM_AFTER_LINE, 0, 1500),
    RULE("+QMTRECV: ", FCM_INSIDE, 3, 4096),
    RULE("CONNECT ", FCM_AFTER_LINE, 0, 10240),
    RULE("CONNECT", FCM_RAW, 0, 0),
    RULE("+QIRD: ", FCM_AFTER_LINE, 2, 9),
    RULE("+Z: ", FCM_INSIDE, 2, 9),
    RULE("+Z: ", FCM_INSIDE, 1, 9),
    RULE("+Z: ", FCM_INSIDE, 1, 9),
};
enum { RULES = sizeof rules / sizeof *rules, CAP = 64, LINE = 32 };

/* A conversation and what it must become: L line, P prompt, O over-long line, D payload; @rule. */
struct talk {
    const char *bytes, *events;
    uint8_t eol; /* 0: \n */
    bool prompt;
    uint32_t disarmed, doubled;
};

static const struct talk talks[] = {
    {.bytes = "\r\nOK\r\n\r\n\r\nAT+X\r\r\n",
     .events = "LOK@-;LAT+X@-;"},
    {.bytes = "\r\n+QIRD: 5\r\nhello\r\n\r\nOK\r\n",
     .events = "L+QIRD: 5@1;Dhello@1;LOK@-;"},
    {.bytes = "\r\n+QIRD: 0\r\n\r\nOK\r\n",
     .events = "L+QIRD: 0@1;D@1;LOK@-;"},
    {.bytes = "+QIRD:  2 \nab+QIRD:3\ncde",
     .events = "L+QIRD:  2 @1;Dab@1;L+QIRD:3@1;Dcde@1;"},
    {.bytes = "+QIRD: 2\r\n4F4B\r\nOK\r\n",
     .events = "L+QIRD: 2@1;D4F4B@1;LOK@-;", .doubled = 1 << 1},
    {.bytes = "+QIRD: 5\r\nOK\r\n",
     .events = "L+QIRD: 5@-;LOK@-;", .disarmed = 1 << 1},
    {.bytes = "+QIRD: 1501\r\n+QIRD: -5\r\n+QIRD: 5x\r\n+QIRD: \r\n",
     .events = "L+QIRD: 1501@-;L+QIRD: -5@-;L+QIRD: 5x@-;L+QIRD: @-;"},
    {.bytes = "+QIRD: a,b,2\r\n>>+QIRD: 99999999999999999999\r\n",
     .events = "L+QIRD: a,b,2@5;D>>@5;L+QIRD: 99999999999999999999@-;"},
    {.bytes = "\r\n+QIURC: \"recv\",3\r\n\r\n+QIURC:recv,3,2\r\n\r\n\r\n",
     .events = "L+QIURC: \"recv\",3@-;L+QIURC:recv,3,2@0;D\r\n@0;"},
    {.bytes = "+QIURC: \"recv\",\"a,b\",4,\"10.0.0\"\n\r\nOK",
     .events = "L+QIURC: \"recv\",\"a,b\",4,\"10.0.0\"@0;D\r\nOK@0;"},
    {.bytes = "\r\nCONNECT 3\r\n>\n \r\nOK\r\n\r\nCONNECT\r\nOK\r\n> ",
     .events = "LCONNECT 3@3;D>\n @3;LOK@-;LCONNECT@4;DOK\r\n> ", .prompt = true},
    {.bytes = "\r\n> \r\nOK\r\n> x\r\n",
     .events = "P@-;LOK@-;L> x@-;", .prompt = true},
    {.bytes = "\r\n>\r\n OK\r\n",
     .events = "P@-;L OK@-;", .prompt = true},
    {.bytes = "x>\n>  y\n",
     .events = "Lx>@-;P@-;L y@-;", .prompt = true},
    {.bytes = "\r\n+QMTRECV: 0,0,\"t,x\",5,\"a\r\n,\"\"\r\nOK\r\n",
     .events = "L+QMTRECV: 0,0,\"t,x\",5@2;Da\r\n,\"@2;LOK@-;"},
    {.bytes = "+QMTRECV: 0,0,\"t\",3,a\nb\r\n+QMTRECV: 0,0,t,0,\r\nOK\r\n",
     .events = "L+QMTRECV: 0,0,\"t\",3@2;Da\nb@2;L+QMTRECV: 0,0,t,0@2;D@2;LOK@-;"},
    {.bytes = "+QMTRECV: 0,0,t,3,\"ab\r\n+QMTRECV: 0,0,t,0,\"\"\r\n",
     .events = "L+QMTRECV: 0,0,t,3@2;D\"ab@2;L+QMTRECV: 0,0,t,0@2;D@2;"},
    {.bytes = "+QMTRECV: 0,0,t,2,\"abcd\"\r\n>\r\n",
     .events = "L+QMTRECV: 0,0,t,2@2;Dab@2;Lcd\"@-;P@-;", .prompt = true},
    {.bytes = "+QMTRECV: 0,0,t,2,\"4F4B\"+QIRD: 5\r\nOK\r\n",
     .events = "L+QMTRECV: 0,0,t,2@2;D4F4B@2;L+QIRD: 5@-;LOK@-;", .doubled = 1 << 2},
    {.bytes = "+QMTRECV: 0,0,t,1,\"x\">\n+QMTRECV: 0,0,t,1,\"x\"+QMTRECV: 0,0,t,1,y\r\n>",
     .events = "L+QMTRECV: 0,0,t,1@2;Dx@2;L>@-;L+QMTRECV: 0,0,t,1@2;Dx@2;L+QMTRECV: 0,0,t,1,y@-;P@-;", .prompt = true},
    {.bytes = "+Z: 0,3,1,2\n+Z: 0,x,1,2\n",
     .events = "L+Z: 0,3@7;D1,2@7;L+Z: 0,x,1@6;D2@6;"},
    {.bytes = "\r\nCONNECTION\r\n CONNECT\r\nCONNECT \r\n",
     .events = "LCONNECTION@-;L CONNECT@-;LCONNECT @-;"},
    {.bytes = "+QMTRECV: 0,0\r\n+QMTRECV: 0,0,t,5\r\n",
     .events = "L+QMTRECV: 0,0@-;L+QMTRECV: 0,0,t,5@-;"},
    {.bytes = "12345678901234567890123456789012\n123456789012345678901234567890123\nOK\n",
     .events = "L12345678901234567890123456789012@-;O33@-;LOK@-;"},
    {.bytes = "1234567890123456789012345678901234567890\n12345678901234567890123456789012345\n",
     .events = "O40@-;O35@-;"},
    {.bytes = "+QMTRECV: 0,0,\"12345678901234567890\",5,\"hello\"\nOK\n",
     .events = "O46@-;LOK@-;"},
    {.bytes = "AT\r\nATE0\r\r\r\n\nAT \r AT\nX\r",
     .events = "LAT@-;LATE0@-;L\nAT @-;L AT\nX@-;", .eol = '\r'},
};

/* What came out, in the form of `events` above. */
struct transcript {
    char text[4096];
    size_t len;
    bool open;
};

static void put(struct transcript *t, const void *bytes, size_t len)
{
    memcpy(t->text + t->len, bytes, len);
    t->len += len;
}

static void note(struct transcript *t, const struct fcm_events *events, size_t i, const uint8_t *data)
{
    uint8_t kind = events->kind[i];
    char tag[16];
    if (!t->open) put(t, &"?LPDDO"[kind], 1);
    if (kind == FCM_OVERLONG) put(t, tag, (size_t)snprintf(tag, sizeof tag, "%u", events->len[i]));
    else if (kind != FCM_PROMPT) put(t, data + events->off[i], events->len[i]);
    t->open = kind == FCM_DATA;
    if (t->open) return;
    int n = snprintf(tag, sizeof tag, events->rule[i] == FCM_NO_RULE ? "@-;" : "@%u;", events->rule[i]);
    put(t, tag, (size_t)n);
}

/* Present bytes[*done..until), at the end of mapped memory, until no more comes of it. */
static void present(struct fcm_framer *f, const char *bytes, size_t *done, size_t until, size_t cap,
                    struct transcript *t)
{
    uint8_t kind[CAP];
    uint32_t off[CAP], len[CAP];
    uint16_t rule[CAP];
    struct fcm_events events = {kind, off, len, rule};
    size_t n, used;
    do {
        const uint8_t *data = guarded(0, bytes + *done, until - *done);
        n = fcm_framer_scan(f, data, until - *done, &events, cap, &used);
        CHECK(n <= cap && used <= until - *done);
        for (size_t i = 0; i < n; i++) note(t, &events, i, data);
        *done += used;
    } while (n == cap);
}

static void start(struct fcm_framer *f, const struct talk *talk)
{
    fcm_framer_init(f, talk->eol ? talk->eol : '\n', rules, RULES, LINE);
    f->want_prompt = talk->prompt;
    f->armed &= ~talk->disarmed;
    f->doubled = talk->doubled;
}

/* Say it in pieces that end at `a`, `b` and then every `stride` bytes. */
static bool say(const struct talk *talk, size_t a, size_t b, size_t stride, size_t cap)
{
    struct fcm_framer f;
    struct transcript t = {.len = 0};
    size_t done = 0, len = strlen(talk->bytes);
    start(&f, talk);
    if (a) present(&f, talk->bytes, &done, a, cap, &t);
    for (size_t until = b; until < len; until += stride) present(&f, talk->bytes, &done, until, cap, &t);
    present(&f, talk->bytes, &done, len, cap, &t);
    t.text[t.len] = '\0';
    bool same = strcmp(t.text, talk->events) == 0;
    if (!same) fprintf(stderr, "cut %zu %zu %zu, cap %zu:\n  %s\n  %s\n", a, b, stride, cap, t.text, talk->events);
    return same;
}

static bool say_all_ways(const struct talk *talk)
{
    size_t len = strlen(talk->bytes);
    for (size_t cap = 1; cap <= 5; cap++)
        for (size_t stride = 1; stride <= 3; stride++)
            if (!say(talk, 0, stride, stride, cap)) return false;
    for (size_t a = 0; a <= len; a++)
        for (size_t b = a; b <= len; b++)
            if (!say(talk, a, b, len + 1, 1 + a % CAP)) return false;
    return true;
}

static void test_expect(void)
{
    static const struct talk talk = {.eol = '\r'};
    struct fcm_framer f;
    struct transcript t = {.len = 0};
    const char *bytes = "AT+QISEND=3,5\r\nhe\rlo\nAT\r\nA\n\rB";
    size_t done = 0;
    start(&f, &talk);
    present(&f, bytes, &done, 14, 1, &t);
    fcm_framer_expect(&f, 5);
    present(&f, bytes, &done, 25, 3, &t);
    f.raw = true;
    present(&f, bytes, &done, strlen(bytes), 3, &t);
    t.text[t.len] = '\0';
    CHECK(strcmp(t.text, "LAT+QISEND=3,5@-;Dhe\rlo@-;L\nAT@-;DA\n\rB") == 0);
}

static void test_modes(void)
{
    static const struct talk talk = {.eol = '\n'};
    struct fcm_framer f;
    struct transcript t = {.len = 0};
    const char *bytes = "+QMTRECV: 0,0,t,5,\"heOK\n1234567890123456789012345678901234567890";
    size_t done = 0;
    start(&f, &talk);
    present(&f, bytes, &done, 21, 1, &t);
    CHECK(done == 18);
    fcm_framer_restart(&f);
    done = 21;
    present(&f, bytes, &done, strlen(bytes), 4, &t);
    CHECK(f.dropped == 40 && done == strlen(bytes));
    fcm_framer_expect(&f, 0);
    present(&f, bytes, &done, strlen(bytes), 4, &t);
    t.text[t.len] = '\0';
    CHECK(strcmp(t.text, "L+QMTRECV: 0,0,t,5@2;LOK@-;D@-;") == 0);
}

void test_frame(void)
{
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++)
        if (!CHECK(say_all_ways(&talks[i]))) fprintf(stderr, "talk %zu\n", i);
    test_expect();
    test_modes();
}
