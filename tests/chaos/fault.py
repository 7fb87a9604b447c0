"""What a fault is: a name, what is to come of it, and the function that does it to a lane and asserts that it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.service import RUN

if TYPE_CHECKING:
    from tests.chaos.lane import Lane

SLOW_SHARE = 20  # of how many rounds a slow fault has one


@dataclass(frozen=True, eq=False)  # each is itself, and may be a key
class Fault:
    number: str  # as in the research's table, or the letter of one that is ours
    name: str
    outcome: str
    do: Callable[[Lane], Awaitable[None]]
    command: Sequence[str] = RUN
    settings: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False  # a round lasts over 10 s
    share: int = 1  # one round in so many
    timed: bool = False  # how soon the service is back is asserted
    idle: bool = False  # it waits for nearly all of its time, so it takes nothing from what is timed beside it
    cores: int = 1  # it keeps busy: what is timed has its own core beside it
    alone: bool = False  # it needs the whole machine, so no other lane runs beside it

    @property
    def key(self) -> str:
        """A name for folders and test ids."""
        return f"{self.number}-{self.do.__name__.replace('_', '-')}"

    def rounds(self, wanted: int) -> int:
        share = SLOW_SHARE if self.slow else self.share
        return max(1, wanted // share)


FAULTS: list[Fault] = []


def fault(number: str, name: str, outcome: str, **how: object) -> Callable[[Callable[[Lane], Awaitable[None]]], None]:
    """Enters the function below it in the table."""

    def enter(do: Callable[[Lane], Awaitable[None]]) -> None:
        FAULTS.append(Fault(number, name, outcome, do, **how))  # type: ignore[arg-type]

    return enter
