"""What a setting is: one description, from which its reading, its checks, `pro-engine config` and the page are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from daemon.settings_table.kinds import Kind

PREFIX: Final = "PRO_ENGINE_"
Value = TypeVar("Value")
Computed = Callable[[Mapping[str, str]], str]


class Told(Enum):
    """When `pro-engine run` tells the supervisor, which reads nothing but its environment."""

    NEVER = "never"
    WHEN_SET = "when set"  # it has the same default
    ALWAYS = "always"  # it has no default of its own, or what is read later in the file is not to count


@dataclass(frozen=True)
class Form(Generic[Value]):
    """What settings of the same nature share."""

    kind: Kind  # in the file
    must_be: str
    parse: Callable[[str], Value]  # raises ValueError
    unit: str = ""  # of the text; the value may be in another
    hidden: bool = False  # a wrong one is not repeated: it may be a secret


@dataclass(frozen=True)
class Setting(Generic[Value]):
    key: str  # in the file; its variable has the prefix and capitals
    default: str | Computed  # the text that a variable would have; computed from the environment
    form: Form[Value]
    does: str  # a sentence without its full stop
    default_is: str = ""  # words for a default that depends on the machine
    systemd: str = ""  # the variable by which systemd says the same
    also: str = ""  # and the one by which other programs are told the same: as good as ours
    told: Told = Told.NEVER
    reload: bool = True  # whether SIGHUP has a new value in the file taken up; else only a restart of the supervisor
    internal: bool = False  # between our own processes, or from a unit: not in the file, and not shown

    @property
    def variable(self) -> str:
        return PREFIX + self.key.upper()

    def default_text(self, env: Mapping[str, str]) -> str:
        return self.default if isinstance(self.default, str) else self.default(env)
