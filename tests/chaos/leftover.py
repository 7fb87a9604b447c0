"""Holds a store's lock and hears no signal: what a daemon that hangs leaves to the next supervisor. A stand-in."""

from __future__ import annotations

import fcntl
import signal
import sys
from pathlib import Path

with Path(sys.argv[1]).open("a") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    signal.signal(signal.SIGTERM, lambda *_: print("TERM", flush=True))
    print("ready", flush=True)
    while True:
        signal.pause()
