"""A fake wall clock: `time.time` with an offset that the file CHAOS_CLOCK holds and that may jump at any moment.

Setting the real clock would set it for the whole machine, and a time namespace has no wall clock of its own. The
monotonic clock is left alone, as a real jump leaves it alone. `datetime.now` asks the kernel itself and is not faked.
"""

import mmap
import os
import struct
import time
from pathlib import Path

_OFFSET = struct.Struct("d")
_real = time.time

if _path := os.environ.get("CHAOS_CLOCK"):
    with Path(_path).open("rb") as _file:
        _shared = mmap.mmap(_file.fileno(), _OFFSET.size, prot=mmap.PROT_READ)

    def _time() -> float:
        return _real() + float(_OFFSET.unpack_from(_shared)[0])

    time.time = _time
