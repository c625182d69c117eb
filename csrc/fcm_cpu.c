#include "fcm_cpu.h"

#ifdef FCM_WITH_AVX2

#include <cpuid.h>
#include <stdint.h>

/* Which registers the operating system saves on a task switch.  Needs OSXSAVE. */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Not __builtin_cpu_supports: that drags in a symbol of the compiler's run-time library. */
bool fcm_cpu_has_avx2(void)
{
    enum { OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5, XMM_AND_YMM = 6 };
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !(c & AVX)) return false;
    if ((saved_state() & XMM_AND_YMM) != XMM_AND_YMM) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & AVX2);
}

#else

bool fcm_cpu_has_avx2(void) { return false; }

#endif
