/* fcm_cpu.h - what the CPU and the operating system allow. */
#ifndef FCM_CPU_H
#define FCM_CPU_H

/* The one place that says for which machines there is vector code at all. */
#if defined(__GNUC__) && !defined(_MSC_VER)
#if defined(__x86_64__)
#define FCM_WITH_X86 1
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define FCM_WITH_NEON 1
#endif
#endif

/* Each implies those before it. */
enum fcm_cpu_level {
    FCM_CPU_BASE,
    FCM_CPU_SSSE3,
    FCM_CPU_AVX2,
    FCM_CPU_AVX512 /* with BW, VL and VBMI */
};

/* Asks the CPU anew each time, which is slow in a virtual machine. */
enum fcm_cpu_level fcm_cpu_level(void);

#endif
