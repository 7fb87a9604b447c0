"""One supervisor per state folder, by a record lock that the kernel drops at any kind of death.

Rejected: a pid file (the pid may be someone else's by now), and flock (it is inherited through fork, so a child of a
dead supervisor would go on holding it).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from supervisor.errors import AlreadyRunning, StateUnwritable, WrongSettings
from supervisor.runtime_file import RuntimeFile, read_runtime_file, start_ticks

LOCK_NAME = "supervisor.lock"
RETRY_EVERY = 0.05
RETRIES = 400  # 20 s for the other one to clear what a dead supervisor left, bind its port and publish it
_MAY_BE_MENDED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}

# struct flock: Linux has type, whence, start, len, pid; macOS has start, len, pid, type, whence.
_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi4x"


def record_holder(fd: int) -> int | None:
    """The pid that holds a record lock on the file, attested by the kernel; 0 when it is in another pid namespace."""
    if sys.platform == "darwin":
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET))
        _, _, pid, kind, _ = struct.unpack(_FLOCK, answer)
    else:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else max(int(pid), 0)


async def take_lock(state_dir: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> int:
    """Hold the folder's lock for the rest of this process, or raise `AlreadyRunning` with the holder's address.

    The descriptor is never closed, and the file never opened again here: closing any descriptor of the file would
    drop the lock. The loser waits for a runtime file that the holder itself wrote, because one that a killed
    supervisor left behind names an address where nobody, or a stranger, is.
    """
    fd = _open(state_dir)
    for _ in range(RETRIES):
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            holder = record_holder(fd)
        else:
            return fd
        published = read_runtime_file(state_dir)
        if published and holder is not None and _wrote(holder, published):
            os.close(fd)
            raise AlreadyRunning(published.url)
        await sleep(RETRY_EVERY)
    os.close(fd)
    raise AlreadyRunning(None)


def _wrote(holder: int, published: RuntimeFile) -> bool:
    """Whether the lock's holder wrote the file. The start time tells: in a container the same small pids come back."""
    return holder == 0 or (holder == published.pid and start_ticks(holder) == published.start_ticks)


def _open(state_dir: Path) -> int:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        kind = StateUnwritable if error.errno in _MAY_BE_MENDED else WrongSettings
        raise kind(f"PRO_ENGINE_STATE_DIR: cannot make {state_dir}: {error.strerror}") from error
    try:
        return os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateUnwritable(f"PRO_ENGINE_STATE_DIR: cannot write in {state_dir}: {error.strerror}") from error
