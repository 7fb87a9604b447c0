"""`config.toml`: settings that last, under the variables' names without their prefix, in lower case.

Its values become the text that a variable would have, so that there is one reading of each setting and one set of
limits. Types are checked here: `port = "3007"` is a slip, not a port.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daemon.errors import WrongSettings
from daemon.settings_table import BY_KEY, SHOWN, no_such
from daemon.settings_table.kinds import Kind, text_of

NAME: Final = "config.toml"
NAMED_BY: Final = "PRO_ENGINE_CONFIG"
KINDS: Final[Mapping[str, Kind]] = {setting.key: setting.form.kind for setting in SHOWN}


@dataclass(frozen=True)
class ConfigFile:
    """What a file says, by the key; empty where there is none."""

    path: Path
    exists: bool = False
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
    return ConfigFile(path, exists=True, texts={key: _text(path, key, value) for key, value in found.items()})


def _text(path: Path, key: str, value: Any) -> str:
    kind = KINDS.get(key)
    if kind is None:
        raise WrongSettings(f"{path}: {no_such(key)}")
    text = text_of(kind, value)
    if text is None or (not text and BY_KEY[key].default):
        raise WrongSettings(f"{path}: {key} is {value!r}; it must be {kind.value}")
    return text
