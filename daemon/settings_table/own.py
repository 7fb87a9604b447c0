"""The settings that a person gives the daemon."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from daemon.settings_table import forms
from daemon.settings_table.setting import Setting, Told

DEFAULT_ORIGINS: Final = tuple(f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3002, 5173))


def _state(env: Mapping[str, str]) -> str:
    if sys.platform == "darwin":
        return str(_home(env) / "Library/Application Support/pro-engine")
    return str(Path(env.get("XDG_STATE_HOME") or _home(env) / ".local/state") / "pro-engine")


def _cache(env: Mapping[str, str]) -> str:
    if sys.platform == "darwin":
        return str(_home(env) / "Library/Caches/pro-engine")
    return str(Path(env.get("XDG_CACHE_HOME") or _home(env) / ".cache") / "pro-engine")


def _home(env: Mapping[str, str]) -> Path:
    return Path(env.get("HOME") or Path.home())


def _most_of_memory(_env: Mapping[str, str]) -> str:
    return str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4 // forms.MEBI)


HOST: Final = Setting(
    "host",
    "127.0.0.1",
    forms.ADDRESS,
    "The address to listen on; any but 127.0.0.1 and ::1 lets the network in",
    told=Told.ALWAYS,
    reload=False,
)
PORT: Final = Setting(
    "port",
    "3007",
    forms.PORT,
    "The port to listen on, 0 for any; the next free one where it is taken",
    told=Told.ALWAYS,
    reload=False,
)
ORIGINS: Final = Setting(
    "origins",
    ",".join(DEFAULT_ORIGINS),
    forms.ORIGINS,
    "The pages that may use the service, by the origin they are loaded from",
    told=Told.ALWAYS,  # they may read why there is no daemon
)
PAIRING: Final = Setting("pairing", "true", forms.FLAG, "Whether other pages may ask to be paired with the service")
HOSTS: Final = Setting(
    "hosts",
    "",
    forms.NAMES,
    "Further names by which a `Host` header may call the service, for use over a network",
    default_is="none",
)
SUPABASE_URL: Final = Setting(
    "supabase_url",
    "",
    forms.PROJECT_URL,
    "The Supabase project whose users may use the service; `SUPABASE_URL` says the same",
    default_is="none",
    also="SUPABASE_URL",
)
SUPABASE_ANON_KEY: Final = Setting(
    "supabase_anon_key",
    "",
    forms.PUBLISHABLE_KEY,
    "The key of that project which anybody may know; `SUPABASE_ANON_KEY` says the same",
    default_is="none",
    also="SUPABASE_ANON_KEY",
)
OFFLINE_JOBS: Final = Setting(
    "offline_jobs",
    "0",
    forms.COUNT_FROM_NOTHING,
    "How many jobs of each user are done and counted later while the project cannot be asked; 0: none are taken then",
)
STATE_DIR: Final = Setting(
    "state_dir",
    _state,
    forms.FOLDER,
    "The folder of the store and the token: small and precious",
    default_is="`~/.local/state/pro-engine`; on macOS `~/Library/Application Support/pro-engine`",
    systemd="STATE_DIRECTORY",
    told=Told.ALWAYS,
    reload=False,
)
CACHE_DIR: Final = Setting(
    "cache_dir",
    _cache,
    forms.FOLDER,
    "The folder of pictures and compiled kernels: large, and may be deleted",
    default_is="`~/.cache/pro-engine`; on macOS `~/Library/Caches/pro-engine`",
    systemd="CACHE_DIRECTORY",
    told=Told.ALWAYS,
    reload=False,
)
DEVICE: Final = Setting(
    "device", "auto", forms.DEVICES, "What works, one worker each: `auto`, `gpu`, `cpu`, or parts of adapters' names"
)
WORKER_MEMORY_MB: Final = Setting(
    "worker_memory_mb",
    _most_of_memory,
    forms.MEBIBYTES,
    "A worker that grows over it is ended",
    default_is="3/4 of the machine's",
)

MAX_UPLOAD_MB: Final = Setting("max_upload_mb", "512", forms.MEBIBYTES, "The largest file that is taken")
MAX_SOURCE_MEGAPIXELS: Final = Setting(
    "max_source_megapixels", "100", forms.MEGAPIXELS, "The largest picture that is taken"
)
MAX_OUTPUT_MEGAPIXELS: Final = Setting(
    "max_output_megapixels", "400", forms.MEGAPIXELS, "The largest picture that is made"
)
MAX_FRAMES: Final = Setting("max_frames", "1000", forms.COUNT, "The most frames of an animation")
MAX_RATIO: Final = Setting(
    "max_ratio",
    "2000",
    forms.COUNT,
    "The most decoded bytes per byte of the file; a picture that decodes to 64 MiB or less always passes",
)

MAX_QUEUE: Final = Setting("max_queue", "2000", forms.COUNT, "The most jobs that wait, of all clients together")
MAX_QUEUE_PER_CLIENT: Final = Setting(
    "max_queue_per_client", "1000", forms.COUNT, "The most jobs of one client that wait"
)
START_PAUSED: Final = Setting("start_paused", "false", forms.FLAG, "Whether to begin with the queue paused")

CACHE_MB: Final = Setting(
    "cache_mb", "10240", forms.MEBIBYTES, "How much is kept; what was not used for longest goes first"
)
CACHE_HOURS: Final = Setting("cache_hours", "24", forms.HOURS, "How long a result is kept")
PIN_HOURS: Final = Setting(
    "pin_hours", "1", forms.HOURS, "How long a result that nobody has fetched yet makes no room for others"
)
EVENT_DAYS: Final = Setting("event_days", "7", forms.DAYS, "How long events are kept for subscribers that come back")

MAX_SUBSCRIBERS: Final = Setting("max_subscribers", "1000", forms.COUNT, "The most WebSockets that are open at once")
MAX_MESSAGE_KB: Final = Setting("max_message_kb", "64", forms.KIBIBYTES, "The largest message on a client's WebSocket")
HEADER_SECONDS: Final = Setting(
    "header_seconds", "10", forms.SECONDS, "How long the head of a request may take to come whole"
)
UPLOAD_STALL_SECONDS: Final = Setting(
    "upload_stall_seconds", "30", forms.SECONDS, "An upload that brings less than 16 KiB in this time is ended"
)
KEEP_ALIVE_SECONDS: Final = Setting(
    "keep_alive_seconds", "75", forms.SECONDS, "How long a connection may be idle between two requests"
)

DRAIN_SECONDS: Final = Setting(
    "drain_seconds",
    "20",
    forms.SECONDS,
    "How long running jobs may take when it stops; after that they wait for the next start",
)
LOG_FORMAT: Final = Setting(
    "log_format",
    "auto",
    forms.LOG_FORMAT,
    "How log lines look on standard error: `json`, `pretty`, or `auto`, pretty on a terminal",
    told=Told.WHEN_SET,
)
