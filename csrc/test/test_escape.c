#include "check.h"
#include "fcm.h"

#include <string.h>

enum { GUARD = 1000, SLACK = 100, BYTE = 5 };

static struct fcm_escape_out step(struct fcm_escape *e, const char *text, uint64_t now)
{
    size_t len = strlen(text);
    return fcm_escape_step(e, guarded(0, text, len), len, now);
}

static bool is(struct fcm_escape_out out, unsigned plus, bool seen, size_t forward)
{
    return out.plus == plus && out.seen == seen && out.forward == forward;
}

static void test_lone(void)
{
    struct fcm_escape e;
    fcm_escape_init(&e, GUARD, 0);
    CHECK(is(step(&e, "+", 1000), 0, false, 0) && e.deadline == 2000);
    CHECK(is(step(&e, "++", 1999), 0, false, 0) && e.deadline == 2999);
    CHECK(is(step(&e, "", 2998), 0, false, 0));
    CHECK(is(step(&e, "", 2999), 0, true, 0) && e.deadline == FCM_NEVER);
}

static void test_not_lone(void)
{
    struct fcm_escape e;
    fcm_escape_init(&e, GUARD, 0);
    CHECK(is(step(&e, "+++", 999), 0, false, 3));
    CHECK(is(step(&e, "++", 1999), 0, false, 0));
    CHECK(is(step(&e, "++", 2000), 2, false, 2));
    CHECK(is(step(&e, "+++", 3000), 0, false, 0));
    CHECK(is(step(&e, "a", 3999), 3, false, 1));
    CHECK(is(step(&e, "a+++", 9000), 0, false, 4));
    CHECK(is(step(&e, "++", 10000), 0, false, 0));
    CHECK(is(step(&e, "", 11000), 2, false, 0));
}

static void test_late(void)
{
    struct fcm_escape e;
    fcm_escape_init(&e, GUARD, 0);
    step(&e, "+++", 1000);
    CHECK(is(step(&e, "AT\r", 5000), 0, true, 0) && e._held == 0);
    fcm_escape_init(&e, GUARD, 0);
    step(&e, "+", 1000);
    CHECK(is(step(&e, "+++", 5000), 1, false, 0) && e._held == 3);
    fcm_escape_touch(&e, 5900);
    CHECK(is(step(&e, "", 6000), 0, false, 0) && e.deadline == 6900);
    CHECK(is(step(&e, "", 6900), 0, true, 0));
}

void test_escape(void)
{
    test_lone();
    test_not_lone();
    test_late();
}

/* A host that obeys the guard, a path that jitters, a module that listens. */
struct path {
    struct fcm_guard guard;
    struct fcm_escape module;
    uint64_t now, idle, arrived;
    uint32_t random;
    size_t sent, delivered;
    bool escaped;
};

static uint32_t draw(struct path *p, uint32_t below)
{
    p->random = p->random * 1664525u + 1013904223u;
    return (p->random >> 16) % below;
}

static void hear(struct path *p, const uint8_t *byte, size_t len, uint64_t now)
{
    struct fcm_escape_out out = fcm_escape_step(&p->module, byte, len, now);
    p->escaped |= out.seen;
    p->delivered += out.plus + out.forward;
}

/* Each byte of a write takes BYTE ticks, and is late by less than the rest of the slack. */
static void put_on_wire(struct path *p, const uint8_t *data, size_t len)
{
    uint64_t at = p->idle > p->now ? p->idle : p->now;
    for (size_t i = 0; i < len; i++) {
        at += BYTE;
        uint64_t arrival = at + draw(p, SLACK - BYTE);
        p->arrived = arrival > p->arrived ? arrival : p->arrived;
        while (p->module.deadline <= p->arrived) hear(p, NULL, 0, p->module.deadline);
        hear(p, data + i, 1, p->arrived);
    }
    fcm_guard_sent(&p->guard, data, len, p->now, at);
    p->idle = at;
    p->sent += len;
}

static void send_all(struct path *p, const uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = fcm_guard_allow(&p->guard, data + done, len - done, p->now);
        CHECK((n == len - done) == (p->guard.deadline == FCM_NEVER));
        put_on_wire(p, data + done, n);
        done += n;
        if (n == 0 && CHECK(p->guard.deadline > p->now)) p->now = p->guard.deadline;
        else if (done < len) p->now += draw(p, GUARD);
    }
}

static uint64_t pause_for(struct path *p)
{
    static const uint64_t about[] = {0, 1, GUARD - SLACK, GUARD, GUARD + SLACK, 3 * GUARD};
    uint64_t mean = about[draw(p, 6)] + BYTE;
    return mean + draw(p, 7) - (mean > 3 ? 3 : 0);
}

static bool stays_in_data_mode(uint32_t seed)
{
    static const char *const pieces[] = {"+", "++", "+++", "++++", "a", "a+++", "+++a", "++a", "+a+"};
    struct path p = {.random = seed};
    fcm_guard_init(&p.guard, GUARD, SLACK, 0);
    fcm_escape_init(&p.module, GUARD, 0);
    for (int i = 0; i < 60; i++) {
        const char *piece = pieces[draw(&p, draw(&p, 2) ? 3 : 9)];
        p.now += pause_for(&p);
        send_all(&p, guarded(0, piece, strlen(piece)), strlen(piece));
    }
    hear(&p, NULL, 0, p.arrived + 10 * GUARD);
    return !p.escaped && p.delivered == p.sent;
}

void test_guard(void)
{
    struct fcm_guard g;
    const uint8_t *plus = guarded(0, "++++", 4);
    for (uint32_t seed = 0; seed < 2000; seed++) CHECK(stays_in_data_mode(seed));
    fcm_guard_init(&g, GUARD, SLACK, 0);
    CHECK(fcm_guard_allow(&g, plus, 3, 5000) == 2 && g.deadline == 6100);
    fcm_guard_sent(&g, plus, 2, 5000, 5010);
    CHECK(g.deadline == 6110);
    CHECK(fcm_guard_allow(&g, plus, 1, 6109) == 0 && g.deadline == 6110);
    CHECK(fcm_guard_allow(&g, plus, 2, 6109) == 2 || g.deadline == 6110);
    CHECK(fcm_guard_allow(&g, plus, 4, 6109) == 4 && g.deadline == FCM_NEVER);
    CHECK(fcm_guard_allow(&g, plus, 1, 6110) == 1 && g.deadline == FCM_NEVER);
}
