"""Where a local client finds us: `runtime.json` in the state folder, replaced atomically.

The file is a hint, never a proof: a client checks over `/health` that it reached us, and nobody is signalled by it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from supervisor.address import reachable

RUNTIME_NAME = "runtime.json"
PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class RuntimeFile:
    instance: str
    pid: int  # the supervisor's
    start_ticks: int | None  # raw, because a start time in seconds moves with the clock; None where /proc is missing
    boot_id: str | None
    host: str  # a literal address that a client on this machine can connect to
    port: int
    protocol: int = PROTOCOL
    # What follows is for a person who asks how things are; no program decides by it.
    wanted_port: int = 0
    port_taken_by: tuple[str, ...] = ()  # who held the wanted port
    state: str = "starting"  # serving, restarting, reloading, degraded, stopping
    why: str | None = None
    since: float = 0.0  # epoch seconds, of the state
    daemon_pid: int | None = None
    restarts: int = 0  # without the planned ones
    last_ending: str | None = None
    safe_mode: bool = False

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def describe_ourselves(instance: str, host: str, port: int) -> RuntimeFile:
    return RuntimeFile(instance, os.getpid(), start_ticks(os.getpid()), boot_id(), reachable(host), port)


def publish(runtime: RuntimeFile, state_dir: Path, mode: int = 0o600) -> None:
    """Write beside, flush, rename, flush the folder: a reader sees the old file or the new one, also after a crash."""
    fd, temporary = tempfile.mkstemp(prefix=f".{RUNTIME_NAME}.", dir=state_dir)
    try:
        os.fchmod(fd, mode)
        with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor, not a path
            json.dump(asdict(runtime), file)
            file.flush()
            os.fsync(fd)
        Path(temporary).replace(state_dir / RUNTIME_NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    _flush_folder(state_dir)


def read_runtime_file(state_dir: Path) -> RuntimeFile | None:
    """What is published, or None when nothing readable is. Members that a later version adds are passed over."""
    try:
        found: Any = json.loads((state_dir / RUNTIME_NAME).read_text(encoding="utf-8"))
        known = {name: found[name] for name in RuntimeFile.__slots__ if name in found}
        return RuntimeFile(**known | {"port_taken_by": tuple(known.get("port_taken_by", ()))})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def withdraw(runtime: RuntimeFile, state_dir: Path) -> None:
    """Unlink the file if it is still ours; another supervisor may have been pointed at this folder meanwhile."""
    published = read_runtime_file(state_dir)
    if published and published.instance == runtime.instance:
        (state_dir / RUNTIME_NAME).unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # field 22; the name before it may be any bytes


def boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
