from sysconfig import get_config_var

from setuptools import setup

# One wheel serves CPython 3.11 and later; a free-threaded build has no stable ABI to keep to.
STABLE_ABI = {} if get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

setup(cffi_modules=["csrc/build_core.py:ffibuilder"], options=STABLE_ABI)
