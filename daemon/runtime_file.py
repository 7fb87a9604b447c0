"""Where a local client finds a bare daemon: `runtime.json`, with the fields that a supervisor's has.

Written here a second time since daemon and supervisor share no code; a test holds the two to the same fields.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

PROTOCOL: Final = 1
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, no address that a client could connect to
log = structlog.get_logger(__name__)


class RuntimeFile:
    """The file of this process. A disk that is full costs the file, never the service."""

    def __init__(self, path: Path, instance: str, host: str, port: int, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._fields: dict[str, Any] = {
            "instance": instance,
            "pid": os.getpid(),
            "start_ticks": start_ticks(os.getpid()),
            "boot_id": _boot_id(),
            "host": ANYWHERE.get(host, host),
            "port": port,
            "protocol": PROTOCOL,
            "wanted_port": port,
            "port_taken_by": [],
            "daemon_pid": os.getpid(),
            "restarts": 0,
            "last_ending": None,
            "safe_mode": False,
        }

    def tell(self, state: str, why: str | None = None) -> None:
        """Publish ourselves in this state: a reader sees the file from before or the new one, after a crash too."""
        fields = self._fields | {"state": state, "why": why, "since": self._clock()}
        try:
            _replace(self._path, json.dumps(fields))
        except OSError as error:
            log.error("runtime_file_not_published", reason=str(error))  # noqa: TRY400, the reason says it all

    def withdraw(self) -> None:
        """Unlink the file if it is still ours."""
        if _read(self._path).get("instance") == self._fields["instance"]:
            with contextlib.suppress(OSError):
                self._path.unlink()


def running_url(path: Path) -> str | None:
    """Where the process serves that wrote the file; None where that one lives no more, or there is no such file."""
    found = _read(path)
    try:
        host, port, pid = str(found["host"]), int(found["port"]), int(found["pid"])
    except (KeyError, TypeError, ValueError):
        return None
    if found.get("boot_id") != _boot_id() or found.get("start_ticks") != start_ticks(pid):
        return None
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _replace(path: Path, text: str) -> None:
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def start_ticks(pid: int) -> int | None:
    """When a process started, by the kernel's own count; None where /proc or the process is missing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # field 22; the name before it may be any bytes


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
