"""Every setting, described once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from daemon.settings_table import internal, own, supervisors
from daemon.settings_table.internal import INTERNAL
from daemon.settings_table.setting import PREFIX, Setting

Rows = tuple[Setting[Any], ...]
SECTIONS: Final[tuple[tuple[str, Rows], ...]] = (
    ("Address and access", (own.HOST, own.PORT, own.ORIGINS, own.PAIRING, own.HOSTS)),
    ("Accounts", (own.SUPABASE_URL, own.SUPABASE_ANON_KEY, own.OFFLINE_JOBS)),
    ("Folders", (own.STATE_DIR, own.CACHE_DIR)),
    ("Devices", (own.DEVICE, own.WORKER_MEMORY_MB)),
    (
        "Pictures",
        (
            *(own.MAX_UPLOAD_MB, own.MAX_SOURCE_MEGAPIXELS, own.MAX_OUTPUT_MEGAPIXELS),
            *(own.MAX_FRAMES, own.MAX_RATIO),
        ),
    ),
    ("Queue", (own.MAX_QUEUE, own.MAX_QUEUE_PER_CLIENT, own.START_PAUSED)),
    ("Storage", (own.CACHE_MB, own.CACHE_HOURS, own.PIN_HOURS, own.EVENT_DAYS)),
    (
        "Connections",
        (
            *(own.MAX_SUBSCRIBERS, own.MAX_MESSAGE_KB),
            *(own.HEADER_SECONDS, own.UPLOAD_STALL_SECONDS, own.KEEP_ALIVE_SECONDS),
        ),
    ),
    ("Stopping, log", (own.DRAIN_SECONDS, own.LOG_FORMAT)),
    ("Supervisor", supervisors.SUPERVISORS),
)
SHOWN: Final[Rows] = tuple(setting for _, settings in SECTIONS for setting in settings)
EVERY: Final[Rows] = (*SHOWN, *INTERNAL)
BY_KEY: Final = {setting.key: setting for setting in SHOWN}


def no_such(key: str) -> str:
    """The sentence for a key that is no setting's."""
    return f"there is no setting {key!r}" + _perhaps(key, BY_KEY)


def unknown_variables(names: Iterable[str]) -> list[str]:
    """A sentence for each variable that is called like a setting's and is none's."""
    known = {setting.variable for setting in EVERY} | internal.OTHER_VARIABLES
    ours = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    shown = [setting.variable for setting in SHOWN]
    return [f"{name} is no setting" + _perhaps(name, shown) for name in ours]


def _perhaps(word: str, words: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, words, 1)
    return f"; is it {near[0]!r}?" if near else ""
