"""`config.toml`: settings that last, under the variables' names without their prefix, in lower case.

Its values become the text that a variable would have, so that there is one reading of each setting and one set of
limits. Types are checked here: `port = "3007"` is a slip, not a port.
"""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daemon.errors import WrongSettings

NAME: Final = "config.toml"
NAMED_BY: Final = "PRO_ENGINE_CONFIG"
TEXT: Final = "text"
WORDS: Final = "text, or a list of texts"
WHOLE: Final = "a whole number"
NUMBER: Final = "a number"
FOLDER: Final = "an absolute path"
KINDS: Final[Mapping[str, str]] = {
    "state_dir": FOLDER,
    "cache_dir": FOLDER,
    "host": TEXT,
    "port": WHOLE,
    "device": WORDS,
    "origins": WORDS,
    "hosts": WORDS,
    "pairing": WHOLE,
    "log_format": TEXT,
    "max_upload_mb": WHOLE,
    "max_source_megapixels": WHOLE,
    "max_output_megapixels": WHOLE,
    "max_queue": WHOLE,
    "cache_mb": WHOLE,
    "cache_hours": NUMBER,
    "worker_memory_mb": WHOLE,
    "drain_seconds": NUMBER,
    # the supervisor's
    "drain_deadline": NUMBER,
    "start_deadline": NUMBER,
    "heartbeat_deadline": NUMBER,
    "health_every": NUMBER,
    "health_deadline": NUMBER,
    "crashes_most": WHOLE,
    "crashes_within": NUMBER,
    "retry_every": NUMBER,
    "backoff_first": NUMBER,
    "backoff_max": NUMBER,
    "backoff_reset": NUMBER,
}


@dataclass(frozen=True)
class ConfigFile:
    """What a file says, by the key; empty where there is none."""

    path: Path
    texts: Mapping[str, str] = field(default_factory=dict)


def path_of(env: Mapping[str, str]) -> Path:
    """Where the file is, or would be: as named, else where systemd says, else the platform's custom."""
    if named := env.get(NAMED_BY, "").strip():
        return Path(named).expanduser().absolute()
    if folders := env.get("CONFIGURATION_DIRECTORY"):
        return Path(folders.partition(":")[0]) / NAME  # systemd gives a list where a unit asks for several
    home = Path(env.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library/Application Support/pro-engine" / NAME
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pro-engine" / NAME


def read_config(env: Mapping[str, str]) -> ConfigFile:
    """The file's settings. One that is named must be there; the usual one may be missing.

    Raises:
        WrongSettings: names the file, and the key where there is one.
    """
    path = path_of(env)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        if env.get(NAMED_BY, "").strip():
            raise WrongSettings(f"{path}, which {NAMED_BY} names, is not there") from error
        return ConfigFile(path)
    except OSError as error:
        raise WrongSettings(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise WrongSettings(f"{path} is no TOML: {error}") from error
    return ConfigFile(path, {key: _text(path, key, value) for key, value in found.items()})


def _text(path: Path, key: str, value: Any) -> str:
    kind = KINDS.get(key)
    if kind is None:
        near = difflib.get_close_matches(key, KINDS, 1)
        raise WrongSettings(f"{path}: there is no setting {key!r}" + (f"; is it {near[0]!r}?" if near else ""))
    text = _of_kind(kind, value)
    if text is None:
        raise WrongSettings(f"{path}: {key} is {value!r}; it must be {kind}")
    return text


def _of_kind(kind: str, value: Any) -> str | None:
    """The text of a value of that kind; None for one that is not. Empty text would mean that nothing is set."""
    if kind is WORDS and isinstance(value, list) and all(map(_is_word, value)) and value:
        return ",".join(value)
    if kind in {TEXT, WORDS}:
        return value if isinstance(value, str) and value.strip() else None
    if kind is FOLDER:
        folder = Path(value).expanduser() if isinstance(value, str) else Path()
        return str(folder) if folder.is_absolute() else None
    types = (int,) if kind is WHOLE else (int, float)
    return str(value) if isinstance(value, types) and not isinstance(value, bool) else None


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "," not in value
