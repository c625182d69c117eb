"""Build `fcm360w._core`: the C core, called through cffi in API mode.

setup.py runs this file from the project's root, so the paths below are relative to it.
"""

from __future__ import annotations

import re
from pathlib import Path
from sysconfig import get_config_var

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
HEADERS = [
    "csrc/fcm.h",
    "csrc/fcm_cpu.h",
    "csrc/fcm_hex.h",
    "csrc/fcm_rule.h",
    "csrc/fcm_time.h",
    "csrc/hex_functions.h",
]

# The stable ABI has buffers since CPython 3.11; a free-threaded build has no stable ABI.
MACROS: list[tuple[str, str | None]] = [] if get_config_var("Py_GIL_DISABLED") else [("Py_LIMITED_API", "0x030B0000")]


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
ffibuilder.cdef(
    declarations(Path(__file__).with_name("fcm.h").read_text(encoding="utf-8")) + "static void fcm_hex_install(void);"
)
ffibuilder.set_source(
    "fcm360w._core",
    '#include "fcm.h"\n#include "hex_functions.h"\n',
    sources=SOURCES,
    depends=HEADERS,
    include_dirs=["csrc"],
    define_macros=MACROS,
)
