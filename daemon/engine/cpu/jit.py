"""The typed border to numba, which has no types: how kernels are compiled, and what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint16]
Samples = NDArray[np.uint8 | np.uint16]
Floats = NDArray[np.float32]
Indices = NDArray[np.int32]
# Single precision, which a plain number in a kernel is not.
ZERO: Final = np.float32(0)
ONE: Final = np.float32(1)
TWO: Final = np.float32(2)
HALF: Final = np.float32(0.5)
QUARTER: Final = np.float32(0.25)
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """`function` as a part of a compiled kernel: compiled with what calls it, for the types it is called with."""
    return cast("Kernel", njit(nogil=True, error_model="numpy")(function))


def compiled(function: Kernel, signature: Any, *, cached: bool) -> Kernel:
    """`function` compiled for one signature, here and now, or read from numba's cache. Calls release the GIL."""
    return cast("Kernel", njit(signature, nogil=True, error_model="numpy", cache=cached)(function))
