/* fcm.h - the freestanding core of fcm360w.
 *
 *   framer   bytes from the module   ->  lines, prompts, payload spans
 *   escape   bytes and their times   ->  pass-through data, or "+++ was seen"     (the module's side)
 *   guard    bytes about to be sent  ->  how many may go now without being "+++"  (the host's side)
 *   watch    bytes in data mode      ->  payload, or "this may be NO CARRIER"
 *   hex      octets                 <->  hex digits
 *
 * Nothing here performs I/O, reads a clock, allocates, or calls libc.
 * Memory   The caller owns every struct and buffer.  Output refers to input by
 *          offset, so a buffer may move between calls.
 * Time     uint64_t ticks on any monotonic clock; only differences matter.
 * Threads  A struct belongs to one thread at a time.  There are no mutable globals.
 * Fields   whose name begins with an underscore are private.
 */
#ifndef FCM_H
#define FCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FCM_NEVER UINT64_MAX
#define FCM_MAX_COUNT 0x40000000 /* no payload and no line is believed to be longer */

/* ---- framer -------------------------------------------------------------- */

enum fcm_kind {
    FCM_LINE = 1, /* a non-empty line, without its line end; of a FCM_INSIDE rule, the line up to its count */
    FCM_PROMPT,   /* the ">" that invites a payload; the byte after it is never waited for */
    FCM_DATA,     /* payload bytes, more of the same payload to come; or raw bytes (FCM_NO_RULE) */
    FCM_DATA_END, /* the last bytes of a counted payload; may be empty.  A FCM_INSIDE payload comes whole */
    FCM_OVERLONG  /* a line longer than max_line came to its end, at `off`; its `len` bytes were dropped */
};

#define FCM_NO_RULE UINT16_MAX
#define FCM_MAX_RULES 32

enum fcm_start {
    FCM_AFTER_LINE = 1, /* +QIRD: 5 CR LF hello          the payload follows the line end */
    FCM_INSIDE,         /* +QMTRECV: 0,0,"t",5,"hello"   it follows the count's comma, quoted or bare */
    FCM_RAW             /* CONNECT CR LF ...             the line is exactly `prefix`; all that follows is data */
};

/* What a line says about the bytes after it.  Of several armed rules that fit, the first
 * wins; but FCM_INSIDE goes before the others, and of two such the one whose count ends first,
 * since they are recognised before the line is complete. */
struct fcm_rule {
    const char *prefix;  /* e.g. "+QIURC: \"recv\","; a blank in it matches any number of blanks,
                          * a quote an optional quote */
    uint16_t prefix_len; /* bytes */
    uint8_t field;       /* which comma field after the prefix, from 0, counts the payload (quotes protect
                          * commas; plain digits, blanks around them); a line without it carries no payload */
    uint8_t start;       /* enum fcm_start */
    uint32_t max;        /* a larger count is not believed: the line is a line and nothing more */
};

/* A batch of events as columns of `cap` entries each. */
struct fcm_events {
    uint8_t *kind;  /* enum fcm_kind */
    uint32_t *off;  /* span in the scanned buffer */
    uint32_t *len;
    uint16_t *rule; /* index of the rule that matched, or FCM_NO_RULE */
};

struct fcm_framer {
    const struct fcm_rule *rules; /* caller's; must outlive the framer */
    uint64_t dropped;             /* bytes of over-long lines, so far */
    uint32_t rule_count;
    uint32_t max_line;
    uint32_t armed;   /* bit i set: rule i applies.  The caller arms a solicited rule
                       * only while its command is pending */
    uint32_t doubled; /* bit i set: rule i's count is of bytes that cross the wire as two hex digits each */
    uint8_t eol;      /* '\n' when listening to a module, '\r' when listening to a host */
    bool want_prompt; /* set by the caller after it sends a prompting command; cleared by the prompt */
    bool raw;         /* everything is data; set by a FCM_RAW rule, set and cleared by the caller.
                       * A counted payload in progress is finished first; a line in progress becomes data */
    bool skip_lf;     /* a '\n' that comes next belongs to the line before, even where a payload or raw data
                       * begins; set after each line if eol is '\r' */
    bool _after_prompt; /* the same of a blank after a prompt */
    bool _closing;    /* after an inside payload: the rest of that line is still to come */
    uint8_t _state;   /* at a line, in a payload, in an over-long line */
    uint16_t _rule;   /* rule that opened the payload in progress */
    uint32_t _inside; /* bit i set: rule i is FCM_INSIDE */
    uint32_t _left;   /* bytes of counted payload still to come */
    uint32_t _seen;   /* bytes of the unfinished tail already searched */
    uint64_t _lost;   /* bytes of the over-long line in progress */
};

/* Set up a framer for one direction.  max_line (16 to FCM_MAX_COUNT) bounds a line without its '\n' or '\r';
 * the tail the caller must keep is bounded by max_line, or by two more than twice the largest `max` of a
 * FCM_INSIDE rule.  At most FCM_MAX_RULES rules; all start armed. */
void fcm_framer_init(struct fcm_framer *f, uint8_t eol, const struct fcm_rule *rules,
                     size_t rule_count, size_t max_line);

/* Scan data[0..len), writing at most `cap` (>= 1) events; returns how many.
 * *used is how many leading bytes are finished with.  Present the rest again,
 * with whatever arrived since, in the next call.  Call again at once if the
 * return value is `cap`.  The events do not depend on how the stream was cut,
 * but for the cuts of FCM_DATA.  At most UINT32_MAX bytes are looked at in one call. */
size_t fcm_framer_scan(struct fcm_framer *f, const uint8_t *data, size_t len,
                       const struct fcm_events *events, size_t cap, size_t *used);

/* The next `count` bytes are a counted payload (the module's side of a prompt); at most FCM_MAX_COUNT. */
void fcm_framer_expect(struct fcm_framer *f, uint32_t count);

/* Forget the line or payload in progress, and the tail with it: the next byte starts a line, unless `raw`. */
void fcm_framer_restart(struct fcm_framer *f);

/* ---- escape: what a module does ------------------------------------------ */

struct fcm_escape {
    uint64_t guard;    /* required silence before and after "+++" */
    uint64_t deadline; /* call fcm_escape_step by then; FCM_NEVER when idle */
    uint64_t _last;    /* time of the latest byte */
    uint8_t _held;     /* '+' bytes withheld: 0..3 */
};

struct fcm_escape_out {
    uint8_t plus;   /* withheld '+' that proved to be data: forward these first */
    bool seen;      /* "+++" with silence on both sides.  All of data[0..len) came after it and is input of
                     * the command mode: forward is 0 then, and nothing is withheld */
    size_t forward; /* then forward data[0..forward); the rest is withheld */
};

void fcm_escape_init(struct fcm_escape *e, uint64_t guard, uint64_t now);

/* Account for data[0..len) arriving at `now`; len 0 only lets time pass.  A call later
 * than `deadline` decides as one at the deadline would have, then looks at its bytes. */
struct fcm_escape_out fcm_escape_step(struct fcm_escape *e, const uint8_t *data,
                                      size_t len, uint64_t now);

/* The receiver was not listening until `now`, so it has seen no silence.  Plus signs
 * already withheld stay so, and their closing silence starts again. */
void fcm_escape_touch(struct fcm_escape *e, uint64_t now);

/* ---- guard: what keeps a host's payload from being an escape -------------- */

/* While the path's jitter stays within `slack`, bytes sent as this allows never
 * show the module a "+++" that stands alone between two silences.  The state is
 * the set of lengths that a lone run of '+' at the end of the wire may have by now.
 * A slack of `guard` or more promises nothing: then a single write may fall apart. */
struct fcm_guard {
    uint64_t guard;    /* the module's silence */
    uint64_t slack;    /* what the path may add to or take from a pause; the time of one byte at least */
    uint64_t deadline; /* when fcm_guard_allow said less than asked: ask again then, with what is left and
                        * whatever joined it; else FCM_NEVER */
    uint64_t _last;    /* when the wire fell silent */
    uint8_t _runs;     /* bit n: the run may be n long, n = 0..3; bit 4: not alone or longer */
};

void fcm_guard_init(struct fcm_guard *g, uint64_t guard, uint64_t slack, uint64_t now);

/* How many leading bytes of data[0..len) may be written at `now` even if nothing
 * follows them.  Less than `len` only when the whole of it could complete a lone "+++":
 * then all that may be written of it are '+', at most two, possibly none. */
size_t fcm_guard_allow(struct fcm_guard *g, const uint8_t *data, size_t len, uint64_t now);

/* data[0..len) was written at `now` and will have left the wire at `idle` (>= now).
 * If bytes are withheld, `deadline` moves on to a silence after that.  If the port took
 * less than was allowed, it is busy: write the rest as soon as it takes more. */
void fcm_guard_sent(struct fcm_guard *g, const uint8_t *data, size_t len, uint64_t now, uint64_t idle);

/* ---- watch: the in-band end of data mode ---------------------------------- */

enum fcm_marker {
    FCM_NO_CARRIER = 1, /* CR LF "NO CARRIER" CR LF */
    FCM_OK = 2,         /* CR LF "OK" CR LF, the answer to an escape */
    FCM_READY = 4,      /* CR LF "ready" CR LF: the module has restarted */
    FCM_RDY = 8         /* CR LF "RDY" CR LF: the same in other firmware */
};

enum fcm_verdict {
    FCM_CLEAR = 0, /* nothing is withheld */
    FCM_HELD,      /* the last bytes may begin a marker; withheld until `deadline` at most */
    FCM_SUSPECT,   /* a whole marker ends the burst, or only the module's own lines follow it */
    FCM_SILENT     /* FCM_SUSPECT, and `hold` of silence since */
};

#define FCM_WATCH_TAIL 67584 /* most bytes ever withheld; beyond it they are released as data */

/* A module's own line is CR LF text CR LF, where the text starts with '+', or is OK, ERROR, SEND OK, SEND FAIL,
 * CONNECT, NO CARRIER, ready or RDY.  Counted payloads of the armed rules belong to their lines. */
struct fcm_watch {
    const struct fcm_rule *rules; /* as the framer's: lines after a marker may carry counted payloads */
    uint32_t rule_count;
    uint32_t armed;    /* as the framer's; arm unsolicited rules only */
    uint32_t doubled;  /* as the framer's */
    uint64_t hold;     /* silence that settles the matter */
    uint64_t deadline; /* call fcm_watch_step by then; FCM_NEVER when idle */
    uint64_t _last;
    uint32_t _held;    /* bytes withheld by the latest step */
    uint32_t _line;    /* where the last line of those starts */
    uint8_t markers;   /* set of enum fcm_marker looked for */
    uint8_t verdict;   /* enum fcm_verdict, of the latest step */
    uint8_t marker;    /* which one, if FCM_SUSPECT or FCM_SILENT */
};

void fcm_watch_init(struct fcm_watch *w, uint8_t markers, const struct fcm_rule *rules,
                    size_t rule_count, uint64_t hold, uint64_t now);

/* data[0..len): what the latest step withheld, then what arrived since.  Returns how
 * many leading bytes are payload; the rest is withheld, to be presented again.  With
 * a verdict of FCM_SUSPECT or FCM_SILENT the rest begins with the marker: of several,
 * the last one, since only the last can be the module's; but a banner among the lines
 * that follow another marker is one of them.  New bytes are judged without
 * regard to the pause before them; silence is judged only in a step that brings none. */
size_t fcm_watch_step(struct fcm_watch *w, const uint8_t *data, size_t len, uint64_t now);

/* Bytes of the marker that the withheld bytes begin with; 0 if none. */
size_t fcm_watch_marker_len(const struct fcm_watch *w);

/* Where the last of the module's lines starts in the withheld bytes, if more than a line end is there of it; 0 without
 * a marker.  A watch that is shown the marker, that line and all after it says the same of them and of what follows. */
size_t fcm_watch_last_line(const struct fcm_watch *w);

/* The suspicion was wrong: all that is withheld is payload.  Forgets it. */
void fcm_watch_release(struct fcm_watch *w);

/* ---- hex ----------------------------------------------------------------- */

struct fcm_hex {
    const char *name; /* "avx512", "avx2", "ssse3", "neon" or "scalar" */
    /* Write 2*len upper-case digits; dst and src must not overlap. */
    void (*encode)(char *dst, const uint8_t *src, size_t len);
    /* Read 2*len digits of either case.  Returns len, or the index in src of the
     * first bad digit as -1 - index; dst is then unspecified. */
    ptrdiff_t (*decode)(uint8_t *dst, const char *src, size_t len);
};

/* Implementations this CPU can run, fastest first; ends with NULL.  Never empty.  Asks the CPU: call it once and keep
 * what you choose. */
const struct fcm_hex *const *fcm_hex_list(void);

#ifdef __cplusplus
}
#endif
#endif
