/* fcm_cpu.h - what the CPU and the operating system allow. */
#ifndef FCM_CPU_H
#define FCM_CPU_H

#include <stdbool.h>

/* The one place that says where the AVX2 code exists at all. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_MSC_VER)
#define FCM_WITH_AVX2 1
#endif

bool fcm_cpu_has_avx2(void);

#endif
