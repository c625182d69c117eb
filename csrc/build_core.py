"""Build `fcm360w._core`: the C core, called through cffi in API mode.

setup.py runs this file from the project's root, so the paths below are relative to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

SOURCES = [
    "csrc/fcm_cpu.c",
    "csrc/fcm_escape.c",
    "csrc/fcm_frame.c",
    "csrc/fcm_hex.c",
    "csrc/fcm_hex_avx2.c",
    "csrc/fcm_hex_avx512.c",
    "csrc/fcm_hex_neon.c",
    "csrc/fcm_hex_ssse3.c",
    "csrc/fcm_rule.c",
    "csrc/fcm_watch.c",
]
HEADERS = ["csrc/fcm.h", "csrc/fcm_cpu.h", "csrc/fcm_hex.h", "csrc/fcm_rule.h", "csrc/fcm_time.h"]

# cffi calls a plain function directly, but a pointer to one by way of libffi.
CALLS = """
#define FCM_HEX_TOO_SMALL PTRDIFF_MIN
#define FCM_HEX_OVERLAP (PTRDIFF_MIN + 1)

static int fcm_hex_apart(const void *dst, size_t room, const void *src, size_t len)
{
    uintptr_t to = (uintptr_t)dst, from = (uintptr_t)src;
    return to >= from + len || from >= to + room;
}

static ptrdiff_t fcm_hex_encode(const struct fcm_hex *hex, char *dst, size_t room, const uint8_t *src, size_t len)
{
    if (room / 2 < len) return FCM_HEX_TOO_SMALL;
    if (!fcm_hex_apart(dst, 2 * len, src, len)) return FCM_HEX_OVERLAP;
    hex->encode(dst, src, len);
    return (ptrdiff_t)(2 * len);
}

static ptrdiff_t fcm_hex_decode(const struct fcm_hex *hex, uint8_t *dst, size_t room, const char *src, size_t digits)
{
    ptrdiff_t count;
    if (room < digits / 2) return FCM_HEX_TOO_SMALL;
    if (!fcm_hex_apart(dst, digits / 2, src, digits)) return FCM_HEX_OVERLAP;
    count = hex->decode(dst, src, digits / 2);
    return count >= 0 && digits % 2 ? -1 - (ptrdiff_t)digits : count;
}
"""
# Of decoding: -1 - index of the first bad digit; an odd one that stands alone counts as at the end.
CALLS_CDEF = """
#define FCM_HEX_TOO_SMALL ...
#define FCM_HEX_OVERLAP ...
static ptrdiff_t fcm_hex_encode(const struct fcm_hex *hex, char *dst, size_t room, const uint8_t *src, size_t len);
static ptrdiff_t fcm_hex_decode(const struct fcm_hex *hex, uint8_t *dst, size_t room, const char *src, size_t digits);
"""


def declarations(header: str) -> str:
    """What is left of a header without its preprocessor lines, but for the numeric constants."""
    header = re.sub(r"#ifdef __cplusplus.*?#endif\n", "", header, flags=re.DOTALL)
    lines = []
    for line in header.splitlines():
        constant = re.match(r"#define (\w+) +\S", line)
        if constant:
            lines.append(f"#define {constant[1]} ...")
        elif not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


ffibuilder = FFI()
ffibuilder.cdef(declarations(Path(__file__).with_name("fcm.h").read_text(encoding="utf-8")) + CALLS_CDEF)
ffibuilder.set_source(
    "fcm360w._core", '#include "fcm.h"\n' + CALLS, sources=SOURCES, depends=HEADERS, include_dirs=["csrc"]
)
