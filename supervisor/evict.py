"""`--evict PID`: end a foreign process that has our port, because a person named it.

The person names a pid, but it must be the one that listens: a pid that was read a minute ago may be another's by now.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import structlog

from supervisor.address import conflicts
from supervisor.errors import EvictRefused
from supervisor.port_holder import printable
from supervisor.process_handle import ProcessHandle

if TYPE_CHECKING:
    import psutil

KILL_DEADLINE = 5.0

log = structlog.get_logger()


async def evict(pid: int, host: str, port: int, *, deadline: float = 10.0) -> None:
    """End the process, and wait until it is gone.

    Raises:
        EvictRefused: it is not to be ended, or could not be; the message says why and what to do.
    """
    import psutil

    if port == 0:
        raise EvictRefused("PRO_ENGINE_PORT is 0, any port: there is no port to make free")
    _refuse_our_own(pid)
    try:
        process = psutil.Process(pid)  # notes when it started
        with ProcessHandle(pid, process.is_running) as handle:
            name = _check(process, host, port)
            if not process.is_running() or not handle.alive:  # so all of this was read of the one that is held
                raise EvictRefused(f"process {pid} has just ended")
            log.warning("evicting", pid=pid, name=name, port=port)
            gone = await handle.end(((signal.SIGTERM, deadline), (signal.SIGKILL, KILL_DEADLINE)))
    except (psutil.NoSuchProcess, ProcessLookupError):
        raise EvictRefused(f"there is no process {pid} (any more)") from None
    except (psutil.AccessDenied, PermissionError):
        raise EvictRefused(f"this user may not look into process {pid}, or not end it") from None
    if not gone:
        raise EvictRefused(f"process {pid} ({name}) cannot be ended: it hangs in the kernel")
    log.info("evicted", pid=pid, name=name)


def _refuse_our_own(pid: int) -> None:
    import psutil

    if pid <= 1:
        raise EvictRefused(f"process {pid} is never ended: everything on this machine hangs on it")
    if pid == os.getpid():
        raise EvictRefused(f"process {pid} is this very command")
    if any(parent.pid == pid for parent in psutil.Process().parents()):
        raise EvictRefused(f"process {pid} has started this very command (a shell, a terminal): it is not ended")


def _check(process: psutil.Process, host: str, port: int) -> str:
    """The name of a process that may be ended."""
    import psutil

    pid, name, user = process.pid, printable(process.name()), process.username()
    if process.uids().effective != os.geteuid():
        raise EvictRefused(
            f"process {pid} ({name}) belongs to the user {user}: end it as that user, or have an administrator do it"
        )
    listening = [row.laddr for row in process.net_connections("tcp") if row.status == psutil.CONN_LISTEN]
    if not any(address.port == port and conflicts(address.ip, host) for address in listening):
        raise EvictRefused(f"process {pid} ({name}) does not listen on port {port}: `pro-engine doctor` says who does")
    return name
