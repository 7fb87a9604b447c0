"""Processes by their pidfd, which can never mean another process, however often the pid is given again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.patience import patience

TERMINATED = frozenset("ZX")


class Held:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)

    @property
    def alive(self) -> bool:
        return not select.select([self._pidfd], [], [], 0)[0]

    @property
    def stopped(self) -> bool:
        return state_of(self.pid) == "T"

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    async def death(self, within: float | None = None) -> float:
        """When it died, on the monotonic clock."""
        loop = asyncio.get_running_loop()
        died = loop.create_future()
        watched = os.dup(self._pidfd)  # two may wait for the same process
        loop.add_reader(watched, lambda: None if died.done() else died.set_result(time.monotonic()))
        try:
            async with patience(f"the end of process {self.pid}", within):
                return float(await died)
        finally:
            loop.remove_reader(watched)
            os.close(watched)

    def wait(self, seconds: float) -> None:
        """For its death, so long at most; nothing else is done meanwhile."""
        select.select([self._pidfd], [], [], seconds)

    def close(self) -> None:
        os.close(self._pidfd)


def state_of(pid: int) -> str | None:
    """The letter that /proc has for it; None where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def environ_of(pid: int) -> list[bytes]:
    """Empty for what is gone, for the kernel's own threads, and for a moment in the middle of an exec."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if state_of(pid) not in TERMINATED else []
    except OSError:
        return []


def of_folder(folder: Path) -> Iterator[int]:
    """Every living process that a service of ours is made of: its environment names the state folder."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return (pid for pid in pids if f"PRO_ENGINE_STATE_DIR={folder}".encode() in environ_of(pid))


def hold_of_folder(pid: int, folder: Path) -> Held | None:
    """A process of ours, asked who it is once it is held: the pid may be another's by now."""
    return _hold(pid, lambda: f"PRO_ENGINE_STATE_DIR={folder}".encode() in environ_of(pid))


def hold_child(pid: int, parent: int) -> Held | None:
    """None where it is gone, or where the pid is meant in another namespace."""
    return _hold(pid, lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == str(parent))


def _hold(pid: int, is_it: Callable[[], bool]) -> Held | None:
    try:
        held = Held(pid)
    except ProcessLookupError:
        return None
    with contextlib.suppress(OSError):
        if is_it():
            return held
    held.close()
    return None


def of_session(session: int) -> Iterator[int]:
    """Every living process of a session: what a daemon started and did not let go of."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in TERMINATED:
                yield int(entry.name)


def listeners(pid: int) -> set[str]:
    """The sockets of a process that listen, by their inodes."""
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    listening = {f"socket:[{row.split()[9]}]" for table in tables for row in table if row.split()[3] == "0A"}
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed since it was listed
            held.add(str(link.readlink()))
    return held & listening


def end_folder(folder: Path) -> None:
    """Kill what is left of a service."""
    for pid in list(of_folder(folder)):
        if left := hold_of_folder(pid, folder):
            left.signal(signal.SIGKILL)
            left.close()
