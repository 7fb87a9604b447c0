"""Ends a daemon that a dead supervisor of this state folder left behind.

Only two things allow a signal: the kernel names the process as holder of our store's lock, or everything that the
ledger says of it is true. A name, a command line, a pid in a file or the port alone never do. Ollama ends every
process that is called like it, gunicorn trusts a pid file: both hit strangers.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import structlog

from supervisor.lock import record_holder
from supervisor.process_handle import ProcessHandle, Step
from supervisor.spawned import SpawnedDaemon, forget, identify, recall

STORE_LOCK_NAME = "store.lock"
STEPS: tuple[Step, ...] = (
    (signal.SIGTERM, 1.0),  # it drains
    (signal.SIGTERM, 5.0),  # it sets its jobs aside and goes
    (signal.SIGABRT, 3.0),  # faulthandler writes the tracebacks
    (signal.SIGKILL, 10.0),
)
MOST_HOLDERS = 3  # a standby of the dead one may have taken the lock meanwhile

log = structlog.get_logger()


async def clear_stale_daemon(state_dir: Path) -> bool:
    """End whoever holds `store.lock`; True when one was ended. Only the holder of `supervisor.lock` may call this.

    Our own child is spared: it is no leftover.
    """
    try:
        fd = os.open(state_dir / STORE_LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # never used, or not readable: the next daemon's trouble, which it names better
        return False
    cleared = False
    try:
        for _ in range(MOST_HOLDERS):
            holder = record_holder(fd)
            if holder is None or not await _clear_holder(fd, holder):
                break
            cleared = True
    finally:
        os.close(fd)  # this process holds no lock on the file that closing could drop
    return cleared


async def clear_by_ledger(state_dir: Path) -> bool:
    """End every remembered daemon that is beyond doubt still that very process; True when one was ended."""
    cleared = False
    for daemon in recall(state_dir):
        if await _clear_remembered(daemon):
            forget(state_dir, daemon.pid)
            cleared = True
    return cleared


async def _clear_holder(fd: int, holder: int) -> bool:
    if holder == 0:
        log.warning("store_held_in_another_container")
        return False
    try:
        with ProcessHandle(holder, lambda: record_holder(fd) == holder) as handle:
            # Asked again after the handle was opened: now the number cannot be another's any more.
            if record_holder(fd) != holder or not _may_be_ended(holder):
                return False
            return await _end(handle, proof="store.lock")
    except ProcessLookupError:  # it ended by itself
        return False


async def _clear_remembered(daemon: SpawnedDaemon) -> bool:
    if daemon.pid == os.getpid():
        return False

    def is_still_it() -> bool:
        return identify(daemon.pid, daemon.instance) == daemon

    try:
        with ProcessHandle(daemon.pid, is_still_it) as handle:
            if not is_still_it() or not handle.alive or not _may_be_ended(daemon.pid):
                return False
            return await _end(handle, proof="ledger")
    except ProcessLookupError:
        return False


async def _end(handle: ProcessHandle, *, proof: str) -> bool:
    log.warning("stale_daemon_found", pid=handle.pid, proof=proof)
    try:
        gone = await handle.end(STEPS)
    except PermissionError:
        log.warning("stale_daemon_not_ours_to_end", pid=handle.pid)
        return False
    if not gone:
        log.error("stale_daemon_cannot_be_ended", pid=handle.pid)
        return False
    handle.kill_its_group()
    return True


def _may_be_ended(pid: int) -> bool:
    """Not a child of ours, and not another user's, even where root could."""
    import psutil

    try:
        process = psutil.Process(pid)
        owner, parent = process.uids().effective, process.ppid()
    except psutil.Error:
        return False
    if owner != os.geteuid():
        log.warning("stale_daemon_of_another_user", pid=pid, uid=owner)
        return False
    return parent != os.getpid()
