#include "fcm_rule.h"

/* One scan: a cursor over the data and a cursor over the events.  Every step below either moves one of
 * the two or a state of the framer and returns true, or needs more bytes and returns false. */
struct scan {
    struct fcm_framer *f;
    const uint8_t *data;
    size_t len, pos;
    const struct fcm_events *events;
    size_t n;
};

enum state { AT_LINE, IN_COUNTED, IN_INSIDE, IN_OVERLONG };

static void emit(struct scan *s, enum fcm_kind kind, size_t off, size_t len, uint16_t rule)
{
    s->events->kind[s->n] = (uint8_t)kind;
    s->events->off[s->n] = (uint32_t)off;
    s->events->len[s->n] = (uint32_t)len;
    s->events->rule[s->n] = rule;
    s->n++;
}

static void start_line(struct fcm_framer *f)
{
    f->_state = AT_LINE;
    f->_seen = 0;
    f->_closing = false;
}

static void start_payload(struct fcm_framer *f, enum state state, uint16_t rule, uint32_t count)
{
    start_line(f);
    f->_state = (uint8_t)state;
    f->_rule = rule;
    f->_left = count;
}

/* Bytes on the wire for a count that a line of this rule gave. */
static uint32_t wire_count(const struct fcm_framer *f, uint16_t rule, uint32_t count)
{
    return f->doubled >> rule & 1 ? 2 * count : count;
}

static bool swallow_byte(struct scan *s)
{
    struct fcm_framer *f = s->f;
    if (!(f->skip_lf || f->_after_prompt) || s->pos == s->len) return false;
    uint8_t byte = s->data[s->pos];
    bool swallow = (f->skip_lf && byte == '\n') || (f->_after_prompt && byte == ' ');
    f->skip_lf = f->_after_prompt = false;
    if (!swallow) return false;
    f->_seen = 0;
    s->pos++;
    return true;
}

static bool take_counted(struct scan *s)
{
    struct fcm_framer *f = s->f;
    size_t here = fcm_min(s->len - s->pos, f->_left);
    bool last = here == f->_left;
    if (here == 0 && !last) return false;
    emit(s, last ? FCM_DATA_END : FCM_DATA, s->pos, here, f->_rule);
    s->pos += here;
    f->_left -= (uint32_t)here;
    if (last) start_line(f);
    return true;
}

static bool take_inside(struct scan *s)
{
    struct fcm_framer *f = s->f;
    size_t skip, span;
    if (s->pos == s->len) return false;
    if (!fcm_inside_span(s->data + s->pos, s->len - s->pos, f->_left, &skip, &span)) return false;
    emit(s, FCM_DATA_END, s->pos + skip, f->_left, f->_rule);
    s->pos += span;
    start_line(f);
    f->_closing = true;
    return true;
}

static bool take_raw(struct scan *s)
{
    start_line(s->f);
    if (s->pos == s->len) return false;
    emit(s, FCM_DATA, s->pos, s->len - s->pos, FCM_NO_RULE);
    s->pos = s->len;
    return true;
}

/* The line end has been taken. */
static void end_line(struct fcm_framer *f)
{
    start_line(f);
    f->skip_lf = f->eol == '\r';
}

static bool take_overlong(struct scan *s)
{
    struct fcm_framer *f = s->f;
    if (s->pos == s->len) return false;
    size_t lost = fcm_find(s->data + s->pos, s->len - s->pos, f->eol);
    s->pos += lost;
    f->_lost += lost;
    f->dropped += lost;
    if (s->pos == s->len) return false;
    emit(s, FCM_OVERLONG, s->pos, f->_lost < UINT32_MAX ? (size_t)f->_lost : UINT32_MAX, FCM_NO_RULE);
    s->pos++;
    end_line(f);
    return true;
}

static void take_prompt(struct scan *s)
{
    emit(s, FCM_PROMPT, s->pos, 1, FCM_NO_RULE);
    s->pos++;
    start_line(s->f);
    s->f->want_prompt = false;
    s->f->_after_prompt = true;
}

/* A whole line of `len` bytes, and its end. */
static void take_line(struct scan *s, size_t len)
{
    struct fcm_framer *f = s->f;
    const uint8_t *line = s->data + s->pos;
    uint32_t armed = f->_closing ? 0 : fcm_armed(f->armed, f->rule_count), count;
    size_t off = s->pos;
    s->pos += len + 1;
    end_line(f);
    while (len > 0 && line[len - 1] == '\r') len--;
    if (len == 0) return;
    uint16_t rule = fcm_rule_of_line(f->rules, armed, line, len, &count);
    emit(s, FCM_LINE, off, len, rule);
    if (rule == FCM_NO_RULE) return;
    if (f->rules[rule].start == FCM_RAW) f->raw = true;
    else start_payload(f, IN_COUNTED, rule, wire_count(f, rule, count));
}

/* line[0..len) is all there is of the line, and line[0..from) was looked at before. */
static bool take_header(struct scan *s, size_t from, size_t len)
{
    struct fcm_framer *f = s->f;
    const uint8_t *line = s->data + s->pos;
    uint32_t armed = fcm_armed(f->armed & f->_inside, f->rule_count);
    struct fcm_split split;
    if (armed == 0 || f->_closing || fcm_find(line + from, len - from, ',') == len - from) return false;
    if (!fcm_rule_splits(f->rules, armed, line, len, &split)) return false;
    emit(s, FCM_LINE, s->pos, split.header, split.rule);
    s->pos += split.payload;
    start_payload(f, IN_INSIDE, split.rule, wire_count(f, split.rule, split.count));
    return true;
}

static bool take_from_line(struct scan *s)
{
    struct fcm_framer *f = s->f;
    if (s->pos == s->len) return false;
    const uint8_t *line = s->data + s->pos;
    size_t have = s->len - s->pos, room = fcm_min(have, (size_t)f->max_line + 1);
    size_t from = fcm_min(f->_seen, room), len = from + fcm_find(line + from, room - from, f->eol);
    if (f->want_prompt && !f->_closing && line[0] == '>') {
        take_prompt(s);
    } else if (take_header(s, from, len)) {
        return true;
    } else if (len < room) {
        take_line(s, len);
    } else if (room > f->max_line) {
        f->_state = IN_OVERLONG;
        f->_lost = 0;
    } else {
        f->_seen = (uint32_t)have;
        return false;
    }
    return true;
}

static bool step(struct scan *s)
{
    if (swallow_byte(s)) return true;
    if (s->f->_state == IN_COUNTED) return take_counted(s);
    if (s->f->_state == IN_INSIDE) return take_inside(s);
    if (s->f->raw) return take_raw(s);
    if (s->f->_state == IN_OVERLONG) return take_overlong(s);
    return take_from_line(s);
}

void fcm_framer_init(struct fcm_framer *f, uint8_t eol, const struct fcm_rule *rules, size_t rule_count,
                     size_t max_line)
{
    *f = (struct fcm_framer){.rules = rules, .armed = UINT32_MAX, .eol = eol};
    f->rule_count = (uint32_t)fcm_min(rule_count, FCM_MAX_RULES);
    f->armed = fcm_armed(UINT32_MAX, f->rule_count);
    f->max_line = max_line < 16 ? 16 : (uint32_t)fcm_min(max_line, FCM_MAX_COUNT);
    for (uint32_t i = 0; i < f->rule_count; i++)
        if (rules[i].start == FCM_INSIDE) f->_inside |= UINT32_C(1) << i;
}

size_t fcm_framer_scan(struct fcm_framer *f, const uint8_t *data, size_t len, const struct fcm_events *events,
                       size_t cap, size_t *used)
{
    struct scan s = {.f = f, .data = data, .len = fcm_min(len, UINT32_MAX), .events = events};
    while (s.n < cap && step(&s)) {}
    *used = s.pos;
    return s.n;
}

void fcm_framer_expect(struct fcm_framer *f, uint32_t count)
{
    start_payload(f, IN_COUNTED, FCM_NO_RULE, count < FCM_MAX_COUNT ? count : FCM_MAX_COUNT);
}

void fcm_framer_restart(struct fcm_framer *f)
{
    start_line(f);
    f->_after_prompt = false;
}
