#include "fcm_time.h"

/* ---- escape -------------------------------------------------------------- */

void fcm_escape_init(struct fcm_escape *e, uint64_t guard, uint64_t now)
{
    *e = (struct fcm_escape){.guard = guard, .deadline = FCM_NEVER, ._last = now};
}

/* How many of data[0..len) are '+', as far as it matters: more than 3 are 4. */
static uint8_t count_plus(const uint8_t *data, size_t len)
{
    uint8_t plus = 0;
    while (plus < 4 && plus < len && data[plus] == '+') plus++;
    return plus;
}

static void hold_plus(struct fcm_escape *e, unsigned held, uint64_t now)
{
    e->_held = (uint8_t)held;
    e->deadline = held ? fcm_later(now, e->guard) : FCM_NEVER;
}

struct fcm_escape_out fcm_escape_step(struct fcm_escape *e, const uint8_t *data, size_t len, uint64_t now)
{
    struct fcm_escape_out out = {0, false, 0};
    bool quiet = fcm_elapsed(e->_last, now) >= e->guard;
    if (e->_held && quiet) { /* silence decides: an escape, or just plus signs */
        out.seen = e->_held == 3;
        out.plus = out.seen ? 0 : e->_held;
        hold_plus(e, 0, now);
    }
    if (len == 0) return out;
    e->_last = now;
    if (out.seen) return out;
    unsigned plus = count_plus(data, len);
    if ((e->_held || quiet) && plus == len && e->_held + plus <= 3) {
        hold_plus(e, e->_held + plus, now);
    } else {
        out.plus = (uint8_t)(out.plus + e->_held);
        out.forward = len;
        hold_plus(e, 0, now);
    }
    return out;
}

void fcm_escape_touch(struct fcm_escape *e, uint64_t now)
{
    e->_last = now;
    hold_plus(e, e->_held, now);
}

/* ---- guard --------------------------------------------------------------- */

/* Members of the set of runs. */
enum { RUN_0 = 1, RUN_3 = 1 << 3, NO_RUN = 1 << 4 };

/* The runs by `now`.  A pause surely long enough ends every run, one that may be leaves them and adds
 * the chance of a new one. */
static unsigned runs_at(const struct fcm_guard *g, uint64_t now)
{
    uint64_t gap = fcm_elapsed(g->_last, now);
    if (gap >= fcm_later(g->guard, g->slack)) return RUN_0;
    return fcm_later(gap, g->slack) >= g->guard ? g->_runs | RUN_0 : g->_runs;
}

/* The runs after data[0..len), which goes out in one piece. */
static unsigned runs_after(unsigned runs, const uint8_t *data, size_t len)
{
    if (len > 3 || count_plus(data, len) < len) return NO_RUN;
    runs <<= len;
    return (runs & (NO_RUN - 1)) | (runs >= NO_RUN ? NO_RUN : 0);
}

static uint64_t silence_after(const struct fcm_guard *g, uint64_t idle)
{
    return fcm_later(idle, fcm_later(g->guard, g->slack));
}

void fcm_guard_init(struct fcm_guard *g, uint64_t guard, uint64_t slack, uint64_t now)
{
    *g = (struct fcm_guard){
        .guard = guard, .slack = slack, .deadline = FCM_NEVER, ._last = now, ._runs = RUN_0 | NO_RUN};
}

size_t fcm_guard_allow(struct fcm_guard *g, const uint8_t *data, size_t len, uint64_t now)
{
    unsigned runs = runs_at(g, now);
    size_t n = len;
    while (n > 0 && (runs_after(runs, data, n) & RUN_3)) n--;
    g->deadline = n == len ? FCM_NEVER : silence_after(g, n > 0 && now > g->_last ? now : g->_last);
    return n;
}

void fcm_guard_sent(struct fcm_guard *g, const uint8_t *data, size_t len, uint64_t now, uint64_t idle)
{
    if (len == 0) return;
    g->_runs = (uint8_t)runs_after(runs_at(g, now), data, len);
    g->_last = idle > now ? idle : now;
    if (g->deadline != FCM_NEVER) g->deadline = silence_after(g, g->_last);
}
