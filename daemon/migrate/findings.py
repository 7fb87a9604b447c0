"""What a look through the old file finds, counted, and what was ruled on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.migrate.rulings import RULES, UNRULED, Rulings

EXAMPLES: Final = 5
NAMELESS: Final = "(none)"


@dataclass
class Finding:
    """Rows of one kind that cannot be moved as they are. Examples are old ids, never addresses."""

    kind: str
    name: str
    ruling: str | None
    count: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def how(self) -> str:
        """How to rule on it."""
        values = "|".join(RULES[self.kind].values) or "TIER"
        return f"--rule '{self.key}={values}'"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name or None,
            "count": self.count,
            "ruling": self.ruling,
            "means": RULES[self.kind].means,
            "how": self.how,
            "examples": self.examples,
        }


class Findings:
    """Collected while rows are read."""

    def __init__(self, rulings: Rulings) -> None:
        self._rulings = rulings
        self._found: dict[str, Finding] = {}

    def rule(self, kind: str, example: str, name: str = "") -> str:
        """Count one, and return what was decided about it: `UNRULED` where nothing was."""
        key = f"{kind}:{name}"
        if (finding := self._found.get(key)) is None:
            finding = self._found[key] = Finding(kind, name, self._rulings.of(kind, name))
        finding.count += 1
        if len(finding.examples) < EXAMPLES:
            finding.examples.append(example)
        return finding.ruling or UNRULED

    def sorted(self) -> list[Finding]:
        """In the order of the rules, those of most rows first."""
        order = list(RULES)
        return sorted(self._found.values(), key=lambda one: (order.index(one.kind), -one.count, one.name))


@dataclass
class Counts:
    """Of what is in the file."""

    users: int = 0
    logs: int = 0
    users_to_move: int = 0
    logs_to_move: int = 0
    hashes: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    users_left_out: Counter[str] = field(default_factory=Counter)  # by reason
    logs_left_out: Counter[str] = field(default_factory=Counter)
    needing_reset: int = 0

    def as_json(self) -> dict[str, Any]:
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}
