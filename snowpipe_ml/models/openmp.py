"""LightGBM, also where the system has no OpenMP library, as in slim container images.

LightGBM's wheel needs the system's ``libgomp.so.1``. PyTorch's wheel
brings one of that name, which serves LightGBM too once it is loaded.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_LIBRARY = "libgomp.so.1"


def lightgbm_module() -> ModuleType:
    """Import LightGBM.

    Raises:
        ImportError: neither the system nor PyTorch has the OpenMP library; the message says how to install it.
    """
    try:
        return import_module("lightgbm")
    except OSError as error:
        if _LIBRARY not in str(error):
            raise
    # Beside LightGBM: a function that does not declare PyTorch finds no module of that name.
    found = find_spec("lightgbm")
    if found is not None and found.origin is not None:
        brought = Path(found.origin).parents[1] / "torch" / "lib" / _LIBRARY
        if brought.is_file():
            ctypes.CDLL(str(brought), mode=ctypes.RTLD_GLOBAL)
            return import_module("lightgbm")
    raise ImportError(
        f"LightGBM needs the system's OpenMP library, {_LIBRARY}, which is not installed. Install it, with "
        "'apt-get install libgomp1' on Debian and Ubuntu, or 'dnf install libgomp' on Fedora"
    )
