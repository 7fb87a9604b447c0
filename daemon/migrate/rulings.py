"""What the operator decides about rows that cannot be moved as they are: `--rule key=value`, or a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from daemon.errors import WrongSettings

SKIP: Final = "skip"
UNRULED: Final = "unruled"
SCALES: Final = ("2x", "4x", "8x")


@dataclass(frozen=True)
class Rule:
    """What may be decided; `is_named` for decisions about one name, such as unknown-type:turbo=8x. No values: any."""

    values: tuple[str, ...]
    means: str
    is_named: bool = False


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "bad-user-id": Rule((SKIP,), "users whose id is missing, or is another one's as well, are left out"),
        "invalid-email": Rule((SKIP,), "users without an address that Supabase takes are left out, with their logs"),
        "duplicate-email": Rule(
            ("newest", "oldest", SKIP),
            "of users with one address the newest or oldest becomes the account, and the others' logs go to it; "
            "or all of them are left out",
        ),
        "bad-user-date": Rule(("epoch", SKIP), "users without a readable date are of 1970-01-01, or left out"),
        "unknown-tier": Rule((), "users of a tier that the project has not get one that it has", is_named=True),
        "unknown-hash": Rule(
            ("reset", SKIP), "users with a password hash of no known kind set a new password, or are left out"
        ),
        "taken-id": Rule(
            ("link", "new", SKIP),
            "users whose UUID is an account's with another address are that account, or get a new id, or are left out",
        ),
        "orphans": Rule((SKIP,), "logs of users who are not in the file are left out"),
        "unknown-type": Rule((*SCALES, SKIP), "logs of an unknown type are of this scale, or left out", is_named=True),
        "bad-date": Rule(("epoch", SKIP), "logs without a readable date are of 1970-01-01, or left out"),
        "bad-number": Rule(
            ("blank", SKIP), "sizes and times that are no numbers are left blank, or their logs left out"
        ),
        "already-there": Rule(
            (SKIP, "move"),
            "logs that the project has of who is linked, to the second, are left out, or moved all the same",
        ),
        "time-unit": Rule(("ms", "seconds"), "what processing_time counts"),
    }
)


@dataclass(frozen=True)
class Rulings:
    """By key, or `key:name`."""

    values: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str, name: str = "") -> str | None:
        """The decision about this one, else about all of its kind."""
        return self.values.get(f"{kind}:{name}", self.values.get(kind))

    def rule(self, kind: str, _example: str, name: str = "") -> str:
        """As `of`, for who reads rows that were looked at before."""
        return self.of(kind, name) or UNRULED

    def named(self, kind: str) -> list[str]:
        """All decisions of a kind."""
        return [value for key, value in self.values.items() if key.partition(":")[0] == kind]


def read_rulings(file: Path | None, options: Iterable[str]) -> Rulings:
    """Those of the file, and over them those of the command line.

    Raises:
        WrongSettings: one cannot be understood; the sentence says what could be.
    """
    values = dict(_of_file(file)) if file else {}
    for option in options:
        key, separator, value = option.rpartition("=")
        if not separator:
            raise WrongSettings(f"--rule {option}: a ruling is key=value, such as orphans=skip")
        values[key] = value
    for key, value in values.items():
        _check(key, value)
    return Rulings(values)


def _of_file(file: Path) -> Iterable[tuple[str, str]]:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WrongSettings(f"the rulings in {file} cannot be read: {error}") from error
    for key, value in found.items():
        if isinstance(value, dict):
            yield from ((f"{key}:{name}", str(ruled)) for name, ruled in value.items())
        else:
            yield key, str(value)


def _check(key: str, value: str) -> None:
    kind, colon, _ = key.partition(":")
    rule = RULES.get(kind)
    if rule is None:
        raise WrongSettings(f"there is no ruling {kind!r}; there are {', '.join(RULES)}")
    if colon and not rule.is_named:
        raise WrongSettings(f"the ruling {kind!r} is about all of its kind, and takes no name")
    if rule.values and value not in rule.values:
        raise WrongSettings(f"the ruling {key!r} is one of {', '.join(rule.values)}, not {value!r}")
