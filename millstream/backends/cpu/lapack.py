"""Find functions of BLAS and LAPACK in SciPy, which carries them for C: the runtime asks when a large matrix is first factorised."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any


def find_function(name: str) -> Any:
    """Return the capsule of a function, such as dgetrf; None where SciPy is not installed: then the runtime's own kernels serve."""
    try:
        from scipy.linalg import cython_blas, cython_lapack
    except ImportError:
        return None
    if name.endswith("_num_threads"):
        return _thread_function(name, Path(cython_blas.__file__).parents[2])
    capsule = cython_lapack.__pyx_capi__.get(name) or cython_blas.__pyx_capi__.get(name)
    # A SciPy built for sizes of 64 bits gives functions that the runtime must not call.
    return capsule if capsule is not None and "int *" in repr(capsule) else None


def _thread_function(name: str, folder: Path) -> int | None:
    """Return the address of the function of OpenBLAS that says how many threads it uses; None where SciPy stands on another."""
    for file in sorted((folder / "scipy.libs").glob("libscipy_openblas*")):
        function = getattr(ctypes.CDLL(str(file)), f"scipy_openblas_{name}", None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value
    return None
