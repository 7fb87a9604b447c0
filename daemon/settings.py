"""What can be set, read once from the environment into plain values."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from daemon.errors import WrongSettings

Value = TypeVar("Value")
PREFIX: Final = "PRO_ENGINE_"
MEBI: Final = 1 << 20
DEFAULT_ORIGINS: Final = tuple(f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3002, 5173))


@dataclass(frozen=True)
class Folders:
    """Where things are. `state` is small and precious (store, token); `cache` is large and may be deleted."""

    state: Path
    cache: Path

    @property
    def runtime_file(self) -> Path:
        return self.state / "runtime.json"

    @property
    def token(self) -> Path:
        return self.state / "token"

    @property
    def secret(self) -> Path:
        return self.state / "secret"


@dataclass(frozen=True)
class Settings:
    folders: Folders
    shared_dir: Path | None  # a system service's, where its group finds address, token and secret
    host: str
    port: int
    listen_fds: tuple[int, ...]  # sockets that the supervisor handed down; without any, the daemon binds its own
    lifeline_fd: int | None
    heartbeat_fd: int | None
    instance: str  # which supervisor's daemon this is
    standby: bool  # load everything, open nothing, and wait for the store's lock
    safe_mode: bool  # the supervisor does not trust the GPU: devices is the CPU, whatever is set
    devices: tuple[str, ...]  # one worker each: auto, gpu, cpu, or a part of an adapter's name
    origins: tuple[str, ...]
    hosts: tuple[str, ...]  # names, beside our own, by which a `Host` header may call us
    log_format: Literal["auto", "json", "pretty"]
    max_upload_bytes: int
    max_source_pixels: int
    max_output_pixels: int
    max_queue: int
    cache_bytes: int
    cache_ttl: float  # seconds
    worker_memory: int  # bytes
    drain_seconds: float


def folders(env: Mapping[str, str]) -> Folders:
    """State and cache folders: ours by name, else systemd's, else the platform's custom."""
    home = Path(env.get("HOME") or Path.home())
    if sys.platform == "darwin":
        state, cache = home / "Library/Application Support", home / "Library/Caches"
    else:
        state = Path(env.get("XDG_STATE_HOME") or home / ".local/state")
        cache = Path(env.get("XDG_CACHE_HOME") or home / ".cache")
    return Folders(
        state=Path(env.get("PRO_ENGINE_STATE_DIR") or env.get("STATE_DIRECTORY") or state / "pro-engine").absolute(),
        cache=Path(env.get("PRO_ENGINE_CACHE_DIR") or env.get("CACHE_DIRECTORY") or cache / "pro-engine").absolute(),
    )


def read(env: Mapping[str, str] | None = None) -> Settings:
    """All settings.

    Raises:
        WrongSettings: names the variable, its value and what it may be.
    """
    env = os.environ if env is None else env

    def get(name: str, default: Value, parse: Callable[[str], Value], what: str) -> Value:
        text = env.get(PREFIX + name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError:
            raise WrongSettings(f"{PREFIX}{name} is {text!r}; it must be {what}") from None

    number = "a whole number, 1 or more"
    safe_mode = get("SAFE_MODE", False, _flag, "1 or 0")
    devices: tuple[str, ...] = get(
        "DEVICE", ("auto",), _words, "auto, gpu, cpu or parts of adapters' names, divided by commas"
    )
    return Settings(
        folders=folders(env),
        shared_dir=get("SHARED_DIR", None, _absolute, "the absolute path of a folder"),
        host=get("HOST", "127.0.0.1", str, "an address"),
        port=get("PORT", 3007, _port, "a port, 0 to 65535"),
        listen_fds=get("LISTEN_FDS", (), _fds, "descriptors, divided by commas"),
        lifeline_fd=get("LIFELINE_FD", None, int, "a descriptor"),
        heartbeat_fd=get("HEARTBEAT_FD", None, int, "a descriptor"),
        instance=get("INSTANCE", "", str, "a word"),
        standby=get("STANDBY", False, _flag, "1 or 0"),
        safe_mode=safe_mode,
        devices=("cpu",) if safe_mode else devices,
        origins=get("ORIGINS", DEFAULT_ORIGINS, _origins, "origins such as http://localhost:3002, divided by commas"),
        hosts=get("HOSTS", (), _words, "names of this machine, divided by commas"),
        log_format=get("LOG_FORMAT", "auto", _log_format, "auto, json or pretty"),
        max_upload_bytes=get("MAX_UPLOAD_MB", 512, _positive, number) * MEBI,
        max_source_pixels=get("MAX_SOURCE_MEGAPIXELS", 100, _positive, number) * 1_000_000,
        max_output_pixels=get("MAX_OUTPUT_MEGAPIXELS", 400, _positive, number) * 1_000_000,
        max_queue=get("MAX_QUEUE", 1000, _positive, number),
        cache_bytes=get("CACHE_MB", 10_240, _positive, number) * MEBI,
        cache_ttl=get("CACHE_HOURS", 24.0, _positive_float, "a number of hours above 0") * 3600,
        worker_memory=get("WORKER_MEMORY_MB", _machine_memory() * 3 // 4 // MEBI, _positive, number) * MEBI,
        drain_seconds=get("DRAIN_SECONDS", 20.0, _positive_float, "a number of seconds above 0"),
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(text)
    return path


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:  # noqa: PLR2004, the range of ports
        raise ValueError(text)
    return value


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(text)
    return text == "1"


def _fds(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    if not words:
        raise ValueError(text)
    return words


def _origins(text: str) -> tuple[str, ...]:
    origins = _words(text)
    if not all(origin.startswith(("http://", "https://")) and origin.count("/") == 2 for origin in origins):  # noqa: PLR2004
        raise ValueError(text)
    return origins


def _log_format(text: str) -> Literal["auto", "json", "pretty"]:
    if text == "json":
        return "json"
    if text == "pretty":
        return "pretty"
    if text == "auto":
        return "auto"
    raise ValueError(text)
