#include "fcm_rule.h"

static size_t skip_blanks(const uint8_t *line, size_t len, size_t i)
{
    while (i < len && line[i] == ' ') i++;
    return i;
}

/* Does `line` start as the rule says?  *end is where its fields begin. */
static bool fits_prefix(const struct fcm_rule *rule, const uint8_t *line, size_t len, size_t *end)
{
    size_t at = 0;
    for (size_t i = 0; i < rule->prefix_len; i++) {
        uint8_t want = (uint8_t)rule->prefix[i];
        if (want == ' ') {
            at = skip_blanks(line, len, at);
        } else if (at < len && line[at] == want) {
            at++;
        } else if (want != '"') {
            return false;
        }
    }
    *end = at;
    return true;
}

/* Narrow [*start, *stop) to one comma field; false if there are fewer. */
static bool find_field(const uint8_t *line, unsigned field, size_t *start, size_t *stop)
{
    bool quoted = false;
    for (size_t i = *start; i < *stop; i++) {
        if (line[i] == '"') quoted = !quoted;
        if (line[i] != ',' || quoted) continue;
        if (field == 0) {
            *stop = i;
            return true;
        }
        field--;
        *start = i + 1;
    }
    return field == 0;
}

/* Read the digits in line[start..stop), blanks around them allowed; *end is after the last. */
static bool read_count(const uint8_t *line, size_t start, size_t stop, uint32_t max, uint32_t *count, size_t *end)
{
    uint64_t value = 0;
    size_t first = skip_blanks(line, stop, start), i = first;
    if (max > FCM_MAX_COUNT) max = FCM_MAX_COUNT;
    for (; i < stop && line[i] >= '0' && line[i] <= '9'; i++) {
        value = value * 10 + (uint64_t)(line[i] - '0');
        if (value > max) return false;
    }
    *end = i;
    *count = (uint32_t)value;
    return i > first && skip_blanks(line, stop, i) == stop;
}

static bool fits_line(const struct fcm_rule *rule, const uint8_t *line, size_t len, uint32_t *count)
{
    size_t start, stop = len, end;
    if (rule->start == FCM_INSIDE || !fits_prefix(rule, line, len, &start)) return false;
    if (rule->start == FCM_RAW) return start == len;
    return find_field(line, rule->field, &start, &stop) && read_count(line, start, stop, rule->max, count, &end);
}

static bool fits_inside(const struct fcm_rule *rule, const uint8_t *line, size_t len, struct fcm_split *split)
{
    size_t start, stop = len;
    if (rule->start != FCM_INSIDE || !fits_prefix(rule, line, len, &start)) return false;
    if (!find_field(line, rule->field, &start, &stop) || stop == len) return false;
    split->payload = stop + 1;
    return read_count(line, start, stop, rule->max, &split->count, &split->header);
}

uint16_t fcm_rule_of_line(const struct fcm_rule *rules, uint32_t armed, const uint8_t *line, size_t len,
                          uint32_t *count)
{
    for (uint16_t i = 0; armed != 0; i++, armed >>= 1) {
        *count = 0;
        if ((armed & 1) && fits_line(&rules[i], line, len, count)) return i;
    }
    return FCM_NO_RULE;
}

bool fcm_rule_splits(const struct fcm_rule *rules, uint32_t armed, const uint8_t *line, size_t len,
                     struct fcm_split *split)
{
    split->payload = SIZE_MAX;
    for (uint16_t i = 0; armed != 0; i++, armed >>= 1) {
        struct fcm_split found = {.rule = i};
        if (!(armed & 1) || !fits_inside(&rules[i], line, len, &found)) continue;
        if (found.payload < split->payload) *split = found;
    }
    return split->payload != SIZE_MAX;
}

bool fcm_inside_span(const uint8_t *data, size_t len, size_t n, size_t *skip, size_t *span)
{
    bool quote = len > 0 && data[0] == '"';
    if (len < (quote ? n + 2 : n) || len == 0) return false;
    bool closed = quote && data[n + 1] == '"';
    if (!closed && quote) quote = data[n] != '\r' && data[n] != '\n';
    *skip = quote;
    *span = quote + n + closed;
    return true;
}
