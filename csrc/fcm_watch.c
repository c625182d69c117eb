#include "fcm_rule.h"
#include "fcm_time.h"

struct text {
    uint8_t len;
    char bytes[15];
};

#define TEXT(literal) {sizeof(literal) - 1, literal}

static const struct text no_carrier = TEXT("\r\nNO CARRIER\r\n"), ok = TEXT("\r\nOK\r\n");
static const struct text ready = TEXT("\r\nready\r\n"), rdy = TEXT("\r\nRDY\r\n");

/* The texts of a module's lines that start with no '+'. */
static const struct text words[] = {
    TEXT("OK"),      TEXT("ERROR"),      TEXT("SEND OK"), TEXT("SEND FAIL"),
    TEXT("CONNECT"), TEXT("NO CARRIER"), TEXT("ready"),   TEXT("RDY"),
};

#define BAD SIZE_MAX

/* The withheld bytes, or what may become them, with the places where a chain of lines was
 * found to break: each is tried once, which keeps a step linear in FCM_WATCH_TAIL. */
struct burst {
    const struct fcm_watch *w;
    const uint8_t *data;
    size_t len;
    size_t line;        /* where the last line of the latest chain starts */
    size_t lines, last; /* from where on there are only lines, as is known, and the last of them */
    uint32_t tried[FCM_WATCH_TAIL / 32];
};

/* Does data[0..len), as far as it goes, agree with the text? */
static bool begins(const uint8_t *data, size_t len, const struct text *text)
{
    return memcmp(data, text->bytes, fcm_min(len, text->len)) == 0;
}

static bool is_word(const uint8_t *data, size_t len, bool whole)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((whole ? len == words[i].len : len <= words[i].len) && begins(data, len, &words[i])) return true;
    return false;
}

/* A line end at `at`: where the next line starts, the burst's length if the end is yet to come, or BAD. */
static size_t after_line_end(const struct burst *b, size_t at)
{
    static const struct text line_end = TEXT("\r\n");
    if (!begins(b->data + at, b->len - at, &line_end)) return BAD;
    return fcm_min(at + 2, b->len);
}

/* The payload may be closed by a line end of its own; then two follow. */
static size_t after_payload(const struct burst *b, size_t at)
{
    if (b->len - at > 2 && memcmp(b->data + at, "\r\n\r", 3) == 0) return at + 2;
    return at;
}

static size_t wire_count(const struct fcm_watch *w, uint16_t rule, uint32_t count)
{
    return w->doubled >> rule & 1 ? 2 * (size_t)count : count;
}

/* A line whose payload starts inside it, behind the comma at `at` - 1. */
static size_t after_inside(const struct burst *b, size_t at, size_t n)
{
    size_t skip, span;
    if (at == b->len || !fcm_inside_span(b->data + at, b->len - at, n, &skip, &span)) return b->len;
    return after_line_end(b, at + span);
}

/* The rest of a line that starts with a '+', at `at`. */
static size_t after_report(const struct burst *b, size_t at, size_t len)
{
    const uint8_t *line = b->data + at;
    uint32_t armed = fcm_armed(b->w->armed, b->w->rule_count), count;
    struct fcm_split split;
    if (fcm_find(line, len, '\n') < len) len = fcm_find(line, len, '\n');
    if (fcm_rule_splits(b->w->rules, armed, line, len, &split))
        return after_inside(b, at + split.payload, wire_count(b->w, split.rule, split.count));
    size_t next = at + len == b->len ? b->len : after_line_end(b, at + len);
    if (next == BAD || next == b->len) return next;
    uint16_t rule = fcm_rule_of_line(b->w->rules, armed, line, len, &count);
    if (rule == FCM_NO_RULE || b->w->rules[rule].start != FCM_AFTER_LINE) return next;
    size_t n = wire_count(b->w, rule, count);
    return n < b->len - next ? after_payload(b, next + n) : b->len;
}

/* A module's line at `at`: where the next starts, the burst's length if it ends early, or BAD. */
static size_t after_line(const struct burst *b, size_t at)
{
    at = after_line_end(b, at);
    if (at == BAD || at == b->len) return at;
    size_t len = fcm_find(b->data + at, b->len - at, '\r');
    if (b->data[at] == '+') return after_report(b, at, len);
    bool whole = at + len < b->len;
    if (!is_word(b->data + at, len, whole)) return BAD;
    return whole ? after_line_end(b, at + len) : b->len;
}

/* Nothing but lines of the module from `at` on, the last perhaps incomplete? */
static bool only_lines(struct burst *b, size_t at)
{
    for (b->line = at; at < b->len;) {
        if (at == b->lines) {
            b->line = b->last;
            return true;
        }
        if (b->len - at > 2) b->line = at; /* else it may be the line end that closes a payload */
        uint32_t bit = UINT32_C(1) << at % 32;
        if (b->tried[at / 32] & bit) return false;
        b->tried[at / 32] |= bit;
        at = after_line(b, at);
    }
    return at == b->len;
}

/* The largest index below `end` of a CR, or BAD. */
static size_t last_cr(const uint8_t *data, size_t end)
{
    uint64_t word;
    for (; end >= sizeof word; end -= sizeof word) {
        memcpy(&word, data + end - sizeof word, sizeof word);
        if (fcm_has_byte(word, UINT64_C(0x0d0d0d0d0d0d0d0d))) break;
    }
    while (end > 0 && data[end - 1] != '\r') end--;
    return end - 1; /* BAD if none */
}

static const struct text *text_of(unsigned marker)
{
    switch (marker) {
    case FCM_NO_CARRIER: return &no_carrier;
    case FCM_OK: return &ok;
    case FCM_READY: return &ready;
    default: return &rdy;
    }
}

/* The marker that data[0..len) begins with, or 0. */
static unsigned marker_at(unsigned markers, const uint8_t *data, size_t len)
{
    for (unsigned marker = FCM_NO_CARRIER; marker <= FCM_RDY; marker <<= 1)
        if ((markers & marker) && len >= text_of(marker)->len && begins(data, len, text_of(marker))) return marker;
    return 0;
}

/* The marker with nothing but lines after it: its place, and w->marker; or BAD.  It is the last that is no banner: a
 * banner ends data mode only if nothing has ended it before. */
static size_t find_marker(struct fcm_watch *w, const uint8_t *data, size_t len)
{
    struct burst b = {.w = w, .data = data, .len = len, .lines = BAD};
    for (size_t at = last_cr(data, len); at != BAD; at = last_cr(data, at)) {
        unsigned marker = marker_at(w->markers, data + at, len - at);
        if (!marker || !only_lines(&b, at + text_of(marker)->len)) continue;
        w->marker = (uint8_t)marker;
        w->_line = (uint32_t)(b.line - at);
        b.lines = at;
        b.last = len - b.line > 2 ? b.line : at;
        if (marker < FCM_READY) break;
    }
    return b.lines;
}

/* Bytes at the end that begin a marker. */
static size_t begun(unsigned markers, const uint8_t *data, size_t len)
{
    size_t most = fcm_min(len, no_carrier.len - 1u);
    for (size_t n = most; n > 0; n--)
        for (unsigned marker = FCM_NO_CARRIER; marker <= FCM_RDY; marker <<= 1)
            if ((markers & marker) && n < text_of(marker)->len && begins(data + len - n, n, text_of(marker))) return n;
    return 0;
}

/* Judge the end of the data; returns how many bytes to withhold. */
static size_t judge(struct fcm_watch *w, const uint8_t *data, size_t len)
{
    size_t tail = fcm_min(len, FCM_WATCH_TAIL);
    size_t at = find_marker(w, data + len - tail, tail);
    if (at != BAD) {
        w->verdict = FCM_SUSPECT;
        return tail - at;
    }
    size_t held = begun(w->markers, data, len);
    w->verdict = held ? FCM_HELD : FCM_CLEAR;
    w->marker = 0;
    return held;
}

void fcm_watch_init(struct fcm_watch *w, uint8_t markers, const struct fcm_rule *rules, size_t rule_count,
                    uint64_t hold, uint64_t now)
{
    *w = (struct fcm_watch){.rules = rules, .hold = hold, .deadline = FCM_NEVER, ._last = now, .markers = markers};
    w->rule_count = (uint32_t)fcm_min(rule_count, FCM_MAX_RULES);
    w->armed = fcm_armed(UINT32_MAX, w->rule_count);
}

/* Nothing new has come: let silence speak. */
static size_t let_pass(struct fcm_watch *w, uint64_t now)
{
    size_t held = w->_held;
    if (w->deadline == FCM_NEVER || fcm_elapsed(w->_last, now) < w->hold) return 0;
    w->deadline = FCM_NEVER;
    if (w->verdict == FCM_SUSPECT) {
        w->verdict = FCM_SILENT;
        return 0;
    }
    fcm_watch_release(w);
    return held;
}

size_t fcm_watch_step(struct fcm_watch *w, const uint8_t *data, size_t len, uint64_t now)
{
    if (len == w->_held) return let_pass(w, now);
    w->_held = (uint32_t)judge(w, data, len);
    w->_last = now;
    w->deadline = w->_held ? fcm_later(now, w->hold) : FCM_NEVER;
    return len - w->_held;
}

size_t fcm_watch_marker_len(const struct fcm_watch *w)
{
    return w->marker ? text_of(w->marker)->len : 0;
}

size_t fcm_watch_last_line(const struct fcm_watch *w)
{
    return w->marker ? w->_line : 0;
}

void fcm_watch_release(struct fcm_watch *w)
{
    w->_held = 0;
    w->verdict = FCM_CLEAR;
    w->marker = 0;
    w->deadline = FCM_NEVER;
}
