#include "fcm_cpu.h"

#ifdef FCM_WITH_X86

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* Which registers the operating system saves on a task switch.  Needs OSXSAVE. */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

/* Not __builtin_cpu_supports: that drags in a symbol of the compiler's run-time library. */
enum fcm_cpu_level fcm_cpu_level(void)
{
    const uint32_t ssse3 = 1u << 9, osxsave = 1u << 27, avx = 1u << 28; /* leaf 1, ECX */
    const uint32_t avx2 = 1u << 5, f_bw_vl = 1u << 16 | 1u << 30 | 1u << 31; /* leaf 7, EBX */
    const uint32_t vbmi = 1u << 1; /* leaf 7, ECX */
    const uint32_t xmm_ymm = 0x06, opmask_zmm = 0xe0; /* XCR0 */
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, ssse3)) return FCM_CPU_BASE;
    if (!has(c, osxsave | avx)) return FCM_CPU_SSSE3;
    uint32_t saved = saved_state();
    if (!has(saved, xmm_ymm) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, avx2)) return FCM_CPU_SSSE3;
    if (!has(saved, opmask_zmm) || !has(b, f_bw_vl) || !has(c, vbmi)) return FCM_CPU_AVX2;
    return FCM_CPU_AVX512;
}

#else

enum fcm_cpu_level fcm_cpu_level(void) { return FCM_CPU_BASE; }

#endif
