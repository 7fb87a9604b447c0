"""What the operator chose for a migration, kept with its plan, and the reading of rows that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from daemon.errors import WrongSettings
from daemon.migrate.defaults import TIER, ZONE
from daemon.migrate.forms import Forms, Ruling
from daemon.migrate.rulings import SKIP, Rulings


@dataclass(frozen=True)
class Choices:
    zone: str = ZONE
    default_tier: str = TIER
    rulings: Rulings = field(default_factory=Rulings)

    def check(self, tiers: Collection[str]) -> None:
        """Raises WrongSettings for tiers that the project has not, and zones that nobody has."""
        for tier in (self.default_tier, *self.rulings.named("unknown-tier")):
            if tier not in {*tiers, SKIP}:
                raise WrongSettings(f"the project has no tier {tier!r}; it has {', '.join(sorted(tiers))}")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise WrongSettings(f"there is no time zone {self.zone!r}; one is called Europe/Berlin, say") from error

    def forms(self, project: str, tiers: Collection[str], ruling: Ruling | None = None) -> Forms:
        unit = self.rulings.of("time-unit")
        return Forms(
            project=project,
            zone=ZoneInfo(self.zone),
            default_tier=self.default_tier,
            tiers=frozenset(tiers),
            time_unit=None if unit is None else "seconds" if unit == "seconds" else "ms",
            ruling=ruling or self.rulings,
        )

    def as_json(self) -> dict[str, Any]:
        return {"zone": self.zone, "default_tier": self.default_tier, "rulings": dict(self.rulings.values)}


def from_json(kept: Mapping[str, Any]) -> Choices:
    return Choices(kept["zone"], kept["default_tier"], Rulings(kept["rulings"]))
