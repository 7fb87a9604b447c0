"""A worker ends with the daemon that started it, in whatever it is at: what it goes on with would be for nobody, and
the next daemon's start would wait for the processor.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def die_with_parent() -> None:
    """On Linux. Elsewhere the end of the channel is what a worker sees, once it has loaded and listens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
