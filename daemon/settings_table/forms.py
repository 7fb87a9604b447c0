"""The natures of settings: each a kind in TOML, limits, a parser and a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from daemon import parsing
from daemon.settings_table.kinds import Kind
from daemon.settings_table.setting import Form

MEBI: Final = 1 << 20
HOUR: Final = 3600
DAY: Final = 86_400
MOST_WHOLE: Final = 1_000_000_000  # in bytes it is still below what SQLite counts to
MOST_HOURS: Final = 87_600  # ten years: a moment further away is none that every clock can name
MOST_CRASHES: Final = 1000

_large = parsing.whole(1, MOST_WHOLE)
_LARGE: Final = f"a whole number from 1 to {MOST_WHOLE}"
COUNT: Final = Form(Kind.WHOLE, "a whole number, 1 or more", parsing.whole(1))
COUNT_FROM_NOTHING: Final = Form(Kind.WHOLE, "a whole number, 0 or more", parsing.whole(0))
KIBIBYTES: Final = Form(Kind.WHOLE, _LARGE, parsing.times(_large, 1024), "KiB")
MEBIBYTES: Final = Form(Kind.WHOLE, _LARGE, parsing.times(_large, MEBI), "MiB")
MEGAPIXELS: Final = Form(Kind.WHOLE, _LARGE, parsing.times(_large, 1_000_000), "megapixels")
PORT: Final = Form(Kind.WHOLE, "a port, 0 to 65535", parsing.whole(0, 65_535))
CRASHES: Final = Form(Kind.WHOLE, f"a whole number from 1 to {MOST_CRASHES}", parsing.whole(1, MOST_CRASHES))

SECONDS: Final = Form(Kind.NUMBER, f"a number of seconds above 0 and up to {DAY}", parsing.number(DAY), "seconds")
HOURS: Final = Form(
    Kind.NUMBER,
    f"a number of hours above 0 and up to {MOST_HOURS}",
    parsing.times(parsing.number(MOST_HOURS), HOUR),
    "hours",
)
DAYS: Final = Form(
    Kind.NUMBER,
    f"a number of days above 0 and up to {MOST_HOURS // 24}",
    parsing.times(parsing.number(MOST_HOURS / 24), DAY),
    "days",
)

FLAG: Final = Form(Kind.TRUTH, "true or false (1 or 0)", parsing.flag)
ADDRESS: Final = Form(Kind.TEXT, "a literal address such as 127.0.0.1 or ::1", parsing.address)
LOG_FORMAT: Final[Form[Literal["auto", "json", "pretty"]]] = Form(Kind.TEXT, "auto, json or pretty", parsing.log_format)
FOLDER: Final = Form(Kind.FOLDER, "the path of a folder", parsing.folder)
DEVICES: Final = Form(Kind.WORDS, "auto, gpu, cpu or parts of adapters' names, divided by commas", parsing.words)
ORIGINS: Final = Form(Kind.WORDS, "origins such as http://localhost:3002, divided by commas", parsing.origins)
NAMES: Final[Form[tuple[str, ...]]] = Form(
    Kind.WORDS, "names of this machine, divided by commas", parsing.or_nothing(parsing.words, ())
)

PROJECT_URL: Final = Form(
    Kind.MAYBE_TEXT,
    "an address such as https://abc.supabase.co; http only on this machine",
    parsing.or_nothing(parsing.project_url, ""),
)
PUBLISHABLE_KEY: Final = Form(
    Kind.MAYBE_TEXT,
    "the publishable key (sb_publishable_…) or the legacy anon key, and never a secret one: before that no policy of"
    " the project holds, so it must not be on a user's machine",
    parsing.or_nothing(parsing.publishable_key, ""),
    hidden=True,
)

# of internal settings, which no file has
WORD: Final = Form(Kind.TEXT, "a word", str)
SHARED: Final[Form[Path | None]] = Form(
    Kind.FOLDER, "the absolute path of a folder", parsing.or_nothing(parsing.absolute, None)
)
DESCRIPTOR: Final[Form[int | None]] = Form(Kind.WHOLE, "a descriptor", parsing.or_nothing(int, None))
DESCRIPTORS: Final[Form[tuple[int, ...]]] = Form(
    Kind.WORDS, "descriptors, divided by commas", parsing.or_nothing(parsing.fds, ())
)
