"""What can be set, read once from the environment and the settings file into plain values. The environment wins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from daemon.config_file import read_config
from daemon.errors import WrongSettings
from daemon.settings_lookup import Lookup, after_restart, as_told
from daemon.settings_table import SHOWN, internal, own, supervisors
from daemon.settings_table.setting import Told

DEFAULT_ORIGINS: Final = own.DEFAULT_ORIGINS
FOR_THE_SUPERVISOR: Final = tuple(setting.key for setting in SHOWN if setting.told is not Told.NEVER)
FOR_ITS_WHOLE_LIFE: Final = frozenset(  # where clients look for it: each daemon takes them from its supervisor
    setting.key for setting in SHOWN if setting.told is Told.ALWAYS and not setting.reload
)


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

    @property
    def signing_keys(self) -> Path:
        """The public ones of the accounts' project."""
        return self.state / "signing-keys.json"

    @property
    def session(self) -> Path:
        """Of who has signed in on the command line, where the desktop has no keyring."""
        return self.state / "session.json"


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
    restarts: int  # daemons that ended unasked under our supervisor
    standby: bool  # load everything, open nothing, and wait for the store's lock
    safe_mode: bool  # the supervisor does not trust the GPU: devices is the CPU, whatever is set
    devices: tuple[str, ...]  # one worker each: auto, gpu, cpu, or a part of an adapter's name
    origins: tuple[str, ...]
    hosts: tuple[str, ...]  # names, beside our own, by which a `Host` header may call us
    log_format: Literal["auto", "json", "pretty"]
    max_upload_bytes: int
    max_source_pixels: int
    max_output_pixels: int
    max_frames: int
    max_ratio: int  # decoded bytes per byte of the file
    max_queue: int
    max_queue_per_client: int  # above max_queue it bounds nothing
    start_paused: bool
    cache_bytes: int
    cache_ttl: float  # seconds
    pin_seconds: float  # for which a result that nobody has fetched is not evicted
    event_seconds: float
    max_subscribers: int
    max_message_bytes: int  # of a client's message over a WebSocket
    header_seconds: float
    upload_stall_seconds: float
    keep_alive_seconds: float
    pairing: bool  # whether pages may ask to be paired
    supabase_url: str  # empty where there are no accounts
    supabase_anon_key: str
    offline_jobs: int  # of a user, to be counted later
    worker_memory: int  # bytes
    drain_seconds: float

    @property
    def is_bare(self) -> bool:
        """Whether no supervisor stands above."""
        return self.lifeline_fd is None


@dataclass(frozen=True)
class Held:
    """A setting that the file has changed since the supervisor started, and which only a restart of it takes up."""

    setting: str
    in_use: str
    configured: str
    source: str  # of what is configured now


def folders(env: Mapping[str, str]) -> Folders:
    """State and cache folders: ours by name, else the file's, else systemd's, else the platform's custom.

    Raises:
        WrongSettings: of the settings file.
    """
    return _folders(Lookup(env, read_config(env)))


def _folders(lookup: Lookup) -> Folders:
    return Folders(state=lookup.value(own.STATE_DIR), cache=lookup.value(own.CACHE_DIR))


def supervisor_environ(env: Mapping[str, str]) -> dict[str, str]:
    """What the supervisor is to be told: it reads nothing but its environment, and the file is not its business.

    The daemon inherits these and reads the file itself, at each start anew. Those that the file may change meanwhile
    are named in PRO_ENGINE_FROM_FILE, so that it does not take them for the user's own word; those that hold until the
    supervisor itself is restarted, in PRO_ENGINE_UNTIL_RESTART.

    Raises:
        WrongSettings: of the settings file, or of a value in it.
    """
    lookup = after_restart(env, read_config(env))
    told: dict[str, str] = {}
    said: set[str] = set()
    for setting in SHOWN:
        if setting.told is Told.NEVER:
            continue
        value, found = lookup.value(setting), lookup.find(setting)
        text = str(value) if isinstance(value, Path) else found.text
        if lookup.own_word(setting):
            if text != env[setting.variable]:  # the supervisor takes its environment to the letter
                told[setting.variable] = text
        elif not found.is_default or setting.told is Told.ALWAYS or setting.variable in env:
            told[setting.variable] = text
            said.add(setting.key)
    return told | {
        internal.FROM_FILE: ",".join(sorted(said - FOR_ITS_WHOLE_LIFE)),
        internal.UNTIL_RESTART: ",".join(sorted(said & FOR_ITS_WHOLE_LIFE)),
    }


def held_until_restart(env: Mapping[str, str]) -> Iterator[Held]:
    """What a person has changed since the supervisor of this daemon started, and waits for in vain.

    Raises:
        WrongSettings: what is configured now is wrong, and would keep the service from its next start.
    """
    if internal.UNTIL_RESTART not in env:  # no `pro-engine run` stands above
        return
    file = read_config(env)
    told, wanted = as_told(env, file), after_restart(env, file)
    for setting in SHOWN:
        if not setting.reload and told.value(setting) != wanted.value(setting):
            found = wanted.find(setting)
            yield Held(setting.key, told.find(setting).text, found.text, found.source)


def read(env: Mapping[str, str] | None = None) -> Settings:
    """All settings.

    Raises:
        WrongSettings: names the variable, or the file and the key, the value and what it may be.
    """
    env = os.environ if env is None else env
    lookup = Lookup(env, read_config(env))
    value = lookup.value
    safe_mode = value(internal.SAFE_MODE)
    devices = value(own.DEVICE)
    _check_the_supervisors(lookup)
    _check_the_project(lookup)
    return Settings(
        folders=_folders(lookup),
        shared_dir=value(internal.SHARED_DIR),
        host=value(own.HOST),
        port=value(own.PORT),
        listen_fds=value(internal.LISTEN_FDS),
        lifeline_fd=value(internal.LIFELINE_FD),
        heartbeat_fd=value(internal.HEARTBEAT_FD),
        instance=value(internal.INSTANCE),
        restarts=value(internal.RESTARTS),
        standby=value(internal.STANDBY),
        safe_mode=safe_mode,
        devices=("cpu",) if safe_mode else devices,
        origins=value(own.ORIGINS),
        hosts=value(own.HOSTS),
        log_format=value(own.LOG_FORMAT),
        max_upload_bytes=value(own.MAX_UPLOAD_MB),
        max_source_pixels=value(own.MAX_SOURCE_MEGAPIXELS),
        max_output_pixels=value(own.MAX_OUTPUT_MEGAPIXELS),
        max_frames=value(own.MAX_FRAMES),
        max_ratio=value(own.MAX_RATIO),
        max_queue=value(own.MAX_QUEUE),
        max_queue_per_client=value(own.MAX_QUEUE_PER_CLIENT),
        start_paused=value(own.START_PAUSED),
        cache_bytes=value(own.CACHE_MB),
        cache_ttl=value(own.CACHE_HOURS),
        pin_seconds=value(own.PIN_HOURS),
        event_seconds=value(own.EVENT_DAYS),
        max_subscribers=value(own.MAX_SUBSCRIBERS),
        max_message_bytes=value(own.MAX_MESSAGE_KB),
        header_seconds=value(own.HEADER_SECONDS),
        upload_stall_seconds=value(own.UPLOAD_STALL_SECONDS),
        keep_alive_seconds=value(own.KEEP_ALIVE_SECONDS),
        pairing=value(own.PAIRING),
        supabase_url=value(own.SUPABASE_URL),
        supabase_anon_key=value(own.SUPABASE_ANON_KEY),
        offline_jobs=value(own.OFFLINE_JOBS),
        worker_memory=value(own.WORKER_MEMORY_MB),
        drain_seconds=value(own.DRAIN_SECONDS),
    )


def _check_the_supervisors(lookup: Lookup) -> None:
    """What it would refuse, told with the place where it stands; and that it gives our jobs the time we give them."""
    for setting in supervisors.SUPERVISORS:
        lookup.value(setting)
    own_time, its_time = lookup.find(own.DRAIN_SECONDS), lookup.find(supervisors.DRAIN_DEADLINE)
    if lookup.value(own.DRAIN_SECONDS) < lookup.value(supervisors.DRAIN_DEADLINE):
        return
    if own_time.is_default:
        raise WrongSettings(
            f"{its_time.place} is {its_time.text!r}; it must be above drain_seconds, which is {own_time.text}"
        )
    raise WrongSettings(
        f"{own_time.place} is {own_time.text!r}; it must be below drain_deadline, which is {its_time.text}: "
        "then the supervisor ends a daemon that is still at its jobs"
    )


def _check_the_project(lookup: Lookup) -> None:
    url, key = lookup.value(own.SUPABASE_URL), lookup.value(own.SUPABASE_ANON_KEY)
    if bool(url) != bool(key):
        there, missing = ("supabase_url", "supabase_anon_key") if url else ("supabase_anon_key", "supabase_url")
        raise WrongSettings(f"{there} is set and {missing} is not; accounts need both")
