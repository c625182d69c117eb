import sys
from sysconfig import get_config_var

from setuptools import setup

# One wheel serves CPython 3.11 and later; a free-threaded build has no stable ABI to keep to.
STABLE_ABI = {} if get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

# The core's built-in functions are CPython's alone; elsewhere its Python twin does the work.
MODULES = ["csrc/build_core.py:ffibuilder"] if sys.implementation.name == "cpython" else []

setup(cffi_modules=MODULES, options=STABLE_ABI)
