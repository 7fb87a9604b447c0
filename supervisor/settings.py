"""What the environment says, read once. The command `pro-engine run` has resolved the folders before it execs us."""

from __future__ import annotations

import ipaddress
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import WrongSettings
from supervisor.heartbeat import Deadlines
from supervisor.log import LogFormat
from supervisor.probe import ProbeTiming
from supervisor.restart_policy import Backoff, Intensity

HIGHEST_PORT = 65535
LONGEST_SECONDS = 86_400.0
HIGHEST_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    state_dir: Path
    shared_dir: Path | None  # where a system service publishes itself to the users of its group
    host: str
    port: int  # 0: any
    origins: tuple[str, ...]  # of the pages that may read why there is no daemon
    log_format: LogFormat
    drain_deadline: float  # seconds from TERM to ABRT; with the 3 s to KILL it stays below the unit's TimeoutStopSec
    deadlines: Deadlines
    probe: ProbeTiming
    backoff: Backoff
    intensity: Intensity
    daemon_command: tuple[str, ...]
    evict: int | None = None  # the pid of a foreign holder that the operator wants gone


def read_settings(environ: Mapping[str, str], daemon_command: Sequence[str] = (), evict: int | None = None) -> Settings:
    return Settings(
        state_dir=_state_dir(environ),
        shared_dir=_shared_dir(environ),
        host=_host(environ),
        port=_port(environ),
        origins=tuple(environ.get("PRO_ENGINE_ORIGINS", "").replace(",", " ").split()),
        log_format=_log_format(environ),
        drain_deadline=_seconds(environ, "PRO_ENGINE_DRAIN_DEADLINE", 90.0),
        deadlines=Deadlines(
            start=_seconds(environ, "PRO_ENGINE_START_DEADLINE", 60.0),
            beat=_seconds(environ, "PRO_ENGINE_HEARTBEAT_DEADLINE", 10.0),
        ),
        probe=ProbeTiming(
            every=_seconds(environ, "PRO_ENGINE_HEALTH_EVERY", 10.0),
            deadline=_seconds(environ, "PRO_ENGINE_HEALTH_DEADLINE", 5.0),
        ),
        intensity=Intensity(
            most=_count(environ, "PRO_ENGINE_CRASHES_MOST", 5),
            within=_seconds(environ, "PRO_ENGINE_CRASHES_WITHIN", 60.0),
            retry_every=_seconds(environ, "PRO_ENGINE_RETRY_EVERY", 60.0),
        ),
        backoff=Backoff(
            first=_seconds(environ, "PRO_ENGINE_BACKOFF_FIRST", 0.5),
            longest=_seconds(environ, "PRO_ENGINE_BACKOFF_MAX", 30.0),
            reset_after=_seconds(environ, "PRO_ENGINE_BACKOFF_RESET", 600.0),
        ),
        daemon_command=tuple(daemon_command) or (sys.executable, "-P", "-m", "daemon"),
        evict=evict,
    )


def _state_dir(environ: Mapping[str, str]) -> Path:
    text = environ.get("PRO_ENGINE_STATE_DIR", "")
    path = Path(text)
    if not path.is_absolute():
        # A default here could differ from the one that `pro-engine status` resolves, and then two would run.
        raise _wrong("PRO_ENGINE_STATE_DIR", "the absolute path of the state folder", text)
    return path


def _shared_dir(environ: Mapping[str, str]) -> Path | None:
    text = environ.get("PRO_ENGINE_SHARED_DIR")
    if not text:
        return None
    path = Path(text)
    if not path.is_absolute():
        raise _wrong("PRO_ENGINE_SHARED_DIR", "the absolute path of a folder", text)
    return path


def _host(environ: Mapping[str, str]) -> str:
    text = environ.get("PRO_ENGINE_HOST", "127.0.0.1")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        # No names: "localhost" may mean ::1 to a client and 127.0.0.1 to us, and then it reaches a stranger.
        raise _wrong("PRO_ENGINE_HOST", "a literal address such as 127.0.0.1 or ::1", text) from None


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("PRO_ENGINE_PORT", "3007")
    if text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise _wrong("PRO_ENGINE_PORT", f"a whole number from 0 (any) to {HIGHEST_PORT}", text)


def _log_format(environ: Mapping[str, str]) -> LogFormat:
    text = environ.get("PRO_ENGINE_LOG_FORMAT", "auto")
    try:
        return LogFormat(text)
    except ValueError:
        raise _wrong("PRO_ENGINE_LOG_FORMAT", "one of auto, json and pretty", text) from None


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if 0 < seconds <= LONGEST_SECONDS:  # false for NaN
        return seconds
    raise _wrong(name, f"a number of seconds above 0 and up to {LONGEST_SECONDS:.0f}", text)


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_COUNT:
        return int(text)
    raise _wrong(name, f"a whole number from 1 to {HIGHEST_COUNT}", text)


def _wrong(name: str, wanted: str, found: str) -> WrongSettings:
    return WrongSettings(f"{name} must be {wanted}, not {found!r}" if found else f"{name} must be set: {wanted}")
