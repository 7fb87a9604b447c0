"""The real daemon, which breaks on order: each way to break has a signal. Nothing else of it is changed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

LONG = 600
BOMB = 64


def block_the_loop(*_: object) -> None:
    time.sleep(LONG)


def hold_the_interpreter(*_: object) -> None:
    ctypes.PyDLL(None).sleep(LONG)  # PyDLL keeps the GIL: no thread of Python's runs, and no signal's handler


def bomb(*_: object) -> None:
    """A child that forks, and whose children fork: bounded, because the machine is to go on."""
    forks = BOMB.bit_length() - 1
    subprocess.Popen([sys.executable, "-c", f"import os, time\nfor _ in range({forks}): os.fork()\ntime.sleep({LONG})"])


def leak_listener(*_: object) -> None:
    """A grandchild that outlives everything and has the listener, as no worker of ours does."""
    listeners = [int(fd) for fd in os.environ["PRO_ENGINE_LISTEN_FDS"].split(",")]
    subprocess.Popen(["sleep", str(LONG)], pass_fds=listeners, start_new_session=True)


WAYS = (block_the_loop, hold_the_interpreter, bomb, leak_listener)


def signal_of(way: Callable[..., None]) -> int:
    return signal.SIGRTMIN + 1 + WAYS.index(way)


if __name__ == "__main__":
    for way in WAYS:
        signal.signal(signal_of(way), way)
    from daemon.__main__ import main

    sys.exit(main())
