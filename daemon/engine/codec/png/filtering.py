"""What filters the rows of a PNG: the compiled kernel, or where there is none, its reference."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from daemon.engine.cpu.compiled import load_png_filter
from daemon.engine.reference import png_filter
from daemon.errors import DeviceFailed

Bytes = NDArray[np.uint8]
RowFilter = Callable[[Bytes, Bytes, int], Bytes]


_loading = threading.Lock()


def row_filter() -> RowFilter:
    """Makes of (rows, row bytes), the row above them and a pixel's bytes the rows as a PNG has them: (rows, 1 + row
    bytes), each begun by the number of its filter. Loading it takes a while once, whoever asks first.
    """
    with _loading:
        return _load()


@lru_cache(maxsize=1)
def _load() -> RowFilter:
    try:
        kernel = load_png_filter()
    except DeviceFailed:  # a GPU may well work where numba does not: slowly, then, but the picture is written
        return png_filter.filter_rows

    def filter_rows(rows: Bytes, above: Bytes, pixel_bytes: int) -> Bytes:
        filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
        kernel(rows, above, pixel_bytes, filtered)
        return filtered

    return filter_rows
