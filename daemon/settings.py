"""What can be set, read once from the environment and the settings file into plain values. The environment wins."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from daemon import parsing
from daemon.config_file import ConfigFile, read_config
from daemon.errors import WrongSettings

Value = TypeVar("Value")
PREFIX: Final = "PRO_ENGINE_"
FROM_FILE: Final = "PRO_ENGINE_FROM_FILE"
FOR_THE_SUPERVISOR: Final = (
    *("state_dir", "cache_dir", "host", "port", "log_format", "drain_deadline", "start_deadline", "heartbeat_deadline"),
    *("health_every", "health_deadline", "crashes_most", "crashes_within", "retry_every"),
    *("backoff_first", "backoff_max", "backoff_reset"),
)
FOR_ITS_WHOLE_LIFE: Final = frozenset({"state_dir", "cache_dir", "host", "port"})  # where clients look for it
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
    pairing: bool  # pages of listed origins may ask the user to be let in
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

    @property
    def is_bare(self) -> bool:
        """Whether no supervisor stands above."""
        return self.lifeline_fd is None


def folders(env: Mapping[str, str]) -> Folders:
    """State and cache folders: ours by name, else the file's, else systemd's, else the platform's custom.

    Raises:
        WrongSettings: of the settings file.
    """
    return _folders(env, read_config(env))


def _folders(env: Mapping[str, str], file: ConfigFile) -> Folders:
    home = Path(env.get("HOME") or Path.home())
    if sys.platform == "darwin":
        state, cache = home / "Library/Application Support", home / "Library/Caches"
    else:
        state = Path(env.get("XDG_STATE_HOME") or home / ".local/state")
        cache = Path(env.get("XDG_CACHE_HOME") or home / ".cache")
    ours = {key: env.get(PREFIX + key.upper()) or file.texts.get(key) for key in ("state_dir", "cache_dir")}
    return Folders(
        state=Path(ours["state_dir"] or env.get("STATE_DIRECTORY") or state / "pro-engine").absolute(),
        cache=Path(ours["cache_dir"] or env.get("CACHE_DIRECTORY") or cache / "pro-engine").absolute(),
    )


def supervisor_environ(env: Mapping[str, str]) -> dict[str, str]:
    """What the supervisor is to be told: it reads nothing but its environment, and the file is not its business.

    The daemon inherits these and reads the file itself, at each start anew: those that it may change are named in
    PRO_ENGINE_FROM_FILE, so that it does not take them for the user's own word.

    Raises:
        WrongSettings: of the settings file.
    """
    file = read_config(env)
    found = _folders(env, file)
    said = {key: file.texts[key] for key in FOR_THE_SUPERVISOR if key in file.texts and not _word(env, key)}
    said |= {"state_dir": str(found.state), "cache_dir": str(found.cache)}
    if not _word(env, "origins"):  # their pages may read why there is no daemon, and only we know the default
        said["origins"] = file.texts.get("origins") or ",".join(DEFAULT_ORIGINS)
    told = {PREFIX + key.upper(): text for key, text in said.items()}
    return told | {FROM_FILE: ",".join(sorted(set(said) - FOR_ITS_WHOLE_LIFE))}


def _word(env: Mapping[str, str], key: str) -> str:
    """What the user's environment itself says of a setting."""
    return "" if key in env.get(FROM_FILE, "").split(",") else env.get(PREFIX + key.upper(), "").strip()


def read(env: Mapping[str, str] | None = None) -> Settings:
    """All settings.

    Raises:
        WrongSettings: names the variable, or the file and the key, the value and what it may be.
    """
    env = os.environ if env is None else env
    file = read_config(env)

    def get(name: str, default: Value, parse: Callable[[str], Value], what: str) -> Value:
        key, place = name.lower(), PREFIX + name
        text = _word(env, key)
        if not text and key in file.texts:
            text, place = file.texts[key].strip(), f"{file.path}: {key}"
        if not text:
            return default
        try:
            return parse(text)
        except ValueError:
            raise WrongSettings(f"{place} is {text!r}; it must be {what}") from None

    number = "a whole number, 1 or more"
    safe_mode = get("SAFE_MODE", False, parsing.flag, "1 or 0")
    devices: tuple[str, ...] = get(
        "DEVICE", ("auto",), parsing.words, "auto, gpu, cpu or parts of adapters' names, divided by commas"
    )
    return Settings(
        folders=_folders(env, file),
        shared_dir=get("SHARED_DIR", None, parsing.absolute, "the absolute path of a folder"),
        host=get("HOST", "127.0.0.1", str, "an address"),
        port=get("PORT", 3007, parsing.port, "a port, 0 to 65535"),
        listen_fds=get("LISTEN_FDS", (), parsing.fds, "descriptors, divided by commas"),
        lifeline_fd=get("LIFELINE_FD", None, int, "a descriptor"),
        heartbeat_fd=get("HEARTBEAT_FD", None, int, "a descriptor"),
        instance=get("INSTANCE", "", str, "a word"),
        standby=get("STANDBY", False, parsing.flag, "1 or 0"),
        safe_mode=safe_mode,
        devices=("cpu",) if safe_mode else devices,
        origins=get(
            "ORIGINS", DEFAULT_ORIGINS, parsing.origins, "origins such as http://localhost:3002, divided by commas"
        ),
        pairing=get("PAIRING", True, parsing.flag, "1 or 0"),
        hosts=get("HOSTS", (), parsing.words, "names of this machine, divided by commas"),
        log_format=get("LOG_FORMAT", "auto", parsing.log_format, "auto, json or pretty"),
        max_upload_bytes=get("MAX_UPLOAD_MB", 512, parsing.positive, number) * MEBI,
        max_source_pixels=get("MAX_SOURCE_MEGAPIXELS", 100, parsing.positive, number) * 1_000_000,
        max_output_pixels=get("MAX_OUTPUT_MEGAPIXELS", 400, parsing.positive, number) * 1_000_000,
        max_queue=get("MAX_QUEUE", 1000, parsing.positive, number),
        cache_bytes=get("CACHE_MB", 10_240, parsing.positive, number) * MEBI,
        cache_ttl=get("CACHE_HOURS", 24.0, parsing.positive_float, "a number of hours above 0") * 3600,
        worker_memory=get("WORKER_MEMORY_MB", _machine_memory() * 3 // 4 // MEBI, parsing.positive, number) * MEBI,
        drain_seconds=get("DRAIN_SECONDS", 20.0, parsing.positive_float, "a number of seconds above 0"),
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
