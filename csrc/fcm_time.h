/* fcm_time.h - differences and sums of ticks that neither wrap nor run backwards. */
#ifndef FCM_TIME_H
#define FCM_TIME_H

#include "fcm.h"

static inline uint64_t fcm_elapsed(uint64_t since, uint64_t now) { return now > since ? now - since : 0; }

/* FCM_NEVER is out of reach for a real time, so a sum stops just short of it. */
static inline uint64_t fcm_later(uint64_t time, uint64_t by)
{
    return by < FCM_NEVER - 1 - time ? time + by : FCM_NEVER - 1;
}

#endif
