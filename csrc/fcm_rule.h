/* fcm_rule.h - what the framer and the watch share: bytes looked for, lines held against rules. */
#ifndef FCM_RULE_H
#define FCM_RULE_H

#include "fcm.h"

/* Every C compiler brings these, but a freestanding one may bring no <string.h>. */
void *memcpy(void *to, const void *from, size_t len);
int memcmp(const void *one, const void *other, size_t len);

static inline size_t fcm_min(size_t a, size_t b) { return a < b ? a : b; }

static inline bool fcm_has_byte(uint64_t word, uint64_t pattern)
{
    word ^= pattern;
    return ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u) != 0;
}

/* Index of the first `byte` in data[0..len); len if there is none. */
static inline size_t fcm_find(const uint8_t *data, size_t len, uint8_t byte)
{
    uint64_t pattern = 0x0101010101010101u * byte, word;
    size_t i = 0;
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        if (fcm_has_byte(word, pattern)) break;
    }
    while (i < len && data[i] != byte) i++;
    return i;
}

/* The armed bits that stand for rules at all. */
static inline uint32_t fcm_armed(uint32_t armed, uint32_t rule_count)
{
    return rule_count < FCM_MAX_RULES ? armed & ((UINT32_C(1) << rule_count) - 1) : armed;
}

/* Where a FCM_INSIDE line is split. */
struct fcm_split {
    size_t header;  /* bytes up to the count's last digit */
    size_t payload; /* where the payload starts, its quote included */
    uint32_t count;
    uint16_t rule;
};

/* The first armed FCM_AFTER_LINE or FCM_RAW rule that a whole line fits, and its count; or FCM_NO_RULE. */
uint16_t fcm_rule_of_line(const struct fcm_rule *rules, uint32_t armed, const uint8_t *line, size_t len,
                          uint32_t *count);

/* The armed FCM_INSIDE rule whose count, with its comma, ends first in the beginning of a line. */
bool fcm_rule_splits(const struct fcm_rule *rules, uint32_t armed, const uint8_t *line, size_t len,
                     struct fcm_split *split);

/* How `n` payload bytes of a FCM_INSIDE rule lie in data: after *skip bytes, in *span bytes with their
 * quotes.  False while more must come to tell.  A first quote is data only if the line ends n bytes
 * after it and no quote follows there. */
bool fcm_inside_span(const uint8_t *data, size_t len, size_t n, size_t *skip, size_t *span);

#endif
