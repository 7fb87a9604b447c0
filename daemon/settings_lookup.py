"""What is said of a setting, and where: the environment before the file, and the file before what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from daemon.config_file import ConfigFile
from daemon.errors import WrongSettings
from daemon.settings_table.internal import FROM_FILE, UNTIL_RESTART
from daemon.settings_table.setting import Setting

Value = TypeVar("Value")


@dataclass(frozen=True)
class Found:
    """The text of a setting, as a variable would have it."""

    text: str
    source: str  # default, `environment NAME`, or `file PATH`
    place: str  # as an error names it

    @property
    def is_default(self) -> bool:
        return self.source == "default"


def keys_in(env: Mapping[str, str], variable: str) -> frozenset[str]:
    return frozenset(env.get(variable, "").split(","))


class Lookup:
    """One environment and one file. Variables of `not_its_own` are passed over: `pro-engine run` has put into them what
    the file said at that time, which is no word of the user's.
    """

    def __init__(self, env: Mapping[str, str], file: ConfigFile, not_its_own: frozenset[str] | None = None) -> None:
        self.env = env
        self.file = file
        self._not_its_own = keys_in(env, FROM_FILE) if not_its_own is None else not_its_own

    def find(self, setting: Setting[Value]) -> Found:
        """Empty text means that nothing is set."""
        if text := self.own_word(setting):
            name = setting.variable if self.env.get(setting.variable, "").strip() else setting.also
            return Found(text, f"environment {name}", name)
        if text := self.file.texts.get(setting.key, "").strip():
            return Found(text, f"file {self.file.path}", f"{self.file.path}: {setting.key}")
        if setting.systemd and (text := self.env.get(setting.systemd, "")):
            return Found(text, f"environment {setting.systemd}", setting.systemd)
        return Found(setting.default_text(self.env), "default", setting.key)

    def own_word(self, setting: Setting[Value]) -> str:
        """What the user's environment itself says."""
        if setting.key in self._not_its_own:
            return ""
        return self.env.get(setting.variable, "").strip() or self.env.get(setting.also, "").strip()

    def value(self, setting: Setting[Value]) -> Value:
        """The value, in the unit of `Settings`.

        Raises:
            WrongSettings: names the variable, or the file and the key, the value and what it may be.
        """
        found = self.find(setting)
        try:
            return setting.form.parse(found.text)
        except ValueError:
            what = "not shown here" if setting.form.hidden else repr(found.text)
            raise WrongSettings(f"{found.place} is {what}; it must be {setting.form.must_be}") from None


def as_told(env: Mapping[str, str], file: ConfigFile) -> Lookup:
    """What a supervisor goes by that was started in this environment: it has never heard of the file."""
    return Lookup(env, ConfigFile(file.path), frozenset())


def after_restart(env: Mapping[str, str], file: ConfigFile) -> Lookup:
    """What the next supervisor will be told."""
    return Lookup(env, file, keys_in(env, FROM_FILE) | keys_in(env, UNTIL_RESTART))
