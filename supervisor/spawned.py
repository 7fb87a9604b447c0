"""The ledger of the daemons that were started for a state folder: what tells them from anyone with the same pid.

It is for one that no longer holds the store's lock but still has our port. A line of it is a claim, not a proof: it
counts only where every member matches what the kernel shows of the living process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from supervisor.runtime_file import boot_id, start_ticks

LEDGER_NAME = "daemons.json"
MOST = 16  # the newest; there are one or two, and a folder that is never cleared is not to grow

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SpawnedDaemon:
    """One process, in no doubt: in a container the same pid comes back, but not all of this."""

    pid: int
    start_ticks: int
    boot_id: str
    uid: int
    exe: str
    instance: str  # the token that its supervisor gave it, which no other process has in its environment


def identify(pid: int, instance: str) -> SpawnedDaemon | None:
    """The process as the kernel shows it now; None where it is gone, has not that token, or there is no /proc."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return _describe(pid, instance) if f"PRO_ENGINE_INSTANCE={instance}".encode() in environ else None


def remember(state_dir: Path, pid: int, instance: str) -> None:
    """Enter a daemon that was just started. What is read of our own child is certainly its own.

    Its token is known, since we gave it. To look for it would miss some: exec lets the parent go on a moment before
    the kernel shows the child's new environment.
    """
    daemon = _describe(pid, instance)
    if daemon:
        others = [other for other in recall(state_dir) if other.pid != pid and _may_live(other)]
        _write(state_dir, [*others, daemon])


def forget(state_dir: Path, pid: int) -> None:
    """Strike out a daemon that was seen to end."""
    remembered = recall(state_dir)
    left = [daemon for daemon in remembered if daemon.pid != pid]
    if left != remembered:
        _write(state_dir, left)


def recall(state_dir: Path) -> list[SpawnedDaemon]:
    """What is remembered, oldest first; nothing where the file is missing or is not of our writing."""
    try:
        found: Any = json.loads((state_dir / LEDGER_NAME).read_text(encoding="utf-8"))
        return [_read(line) for line in found][-MOST:]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _describe(pid: int, instance: str) -> SpawnedDaemon | None:
    boot, ticks = boot_id(), start_ticks(pid)
    try:
        uid, exe = _uid(pid), _exe(pid)
    except (OSError, ValueError):
        return None
    return None if boot is None or ticks is None else SpawnedDaemon(pid, ticks, boot, uid, exe, instance)


def _read(line: Any) -> SpawnedDaemon:
    numbers = [line[name] for name in ("pid", "start_ticks", "uid")]
    texts = [line[name] for name in ("boot_id", "exe", "instance")]
    if not all(type(number) is int for number in numbers) or not all(text and type(text) is str for text in texts):
        raise ValueError(line)  # an empty token would match anybody's
    return SpawnedDaemon(**{name: line[name] for name in SpawnedDaemon.__slots__})


def _may_live(daemon: SpawnedDaemon) -> bool:
    return daemon.boot_id == boot_id() and daemon.start_ticks == start_ticks(daemon.pid)


def _write(state_dir: Path, daemons: Iterable[SpawnedDaemon]) -> None:
    """Written beside and renamed. Not flushed: a crash that could lose it ends the daemons too."""
    temporary = state_dir / f".{LEDGER_NAME}.{os.getpid()}"
    try:
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor, not a path
            json.dump([asdict(daemon) for daemon in daemons][-MOST:], file)
        temporary.replace(state_dir / LEDGER_NAME)
    except OSError as error:  # a full disk: a daemon is not to be refused because it could not be noted down
        log.warning("daemon_not_remembered", error=str(error))
        _unlink(temporary)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("file_left_behind", path=str(path), error=str(error))


def _uid(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        if line.startswith(b"Uid:"):
            real, effective = line.split()[1:3]
            if real != effective:
                raise PermissionError(f"pid {pid} runs under two users")
            return int(real)
    raise ProcessLookupError(f"pid {pid} has no status")


def _exe(pid: int) -> str:
    """Without the mark that the kernel adds when the file was replaced: an upgrade leaves the process what it was."""
    return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
