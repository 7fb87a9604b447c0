from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from daemon.errors import MigrationInterrupted, MigrationRefused
from daemon.migrate.patience import LOST, Answer, Pace, Patience


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def patience(clock: Clock, seconds: float = 60.0, random: float = 1.0) -> Patience:
    return Patience(seconds, clock, clock.sleep, lambda: random)


def asking(*answers: Answer) -> Iterator[Answer]:
    yield from answers


@pytest.mark.parametrize("status", [LOST, 408, 425, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_again_ever_more_rarely(status: int) -> None:
    clock = Clock()
    answers = asking(*[Answer(status)] * 4, Answer(201))

    async def ask() -> Answer:
        return next(answers)

    assert (await patience(clock).insist(ask)).status == 201
    assert clock.slept == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 409, 422])
async def test_what_will_not_change_is_the_answer(status: int) -> None:
    clock = Clock()

    async def ask() -> Answer:
        return Answer(status)

    assert (await patience(clock).insist(ask)).status == status
    assert clock.slept == []


async def test_the_wait_is_drawn_from_all_of_its_span() -> None:
    clock = Clock()
    answers = asking(*[Answer(503)] * 3, Answer(200))

    async def ask() -> Answer:
        return next(answers)

    await patience(clock, random=0.1).insist(ask)
    assert clock.slept == pytest.approx([0.025, 0.05, 0.1])


async def test_when_the_project_says_how_long_to_wait_that_is_waited() -> None:
    clock = Clock()
    answers = asking(Answer(429, retry_after=7.0), Answer(200))

    async def ask() -> Answer:
        return next(answers)

    await patience(clock).insist(ask)
    assert clock.slept == [7.0]


async def test_patience_ends_and_says_how_to_go_on() -> None:
    clock = Clock()

    async def ask() -> Answer:
        return Answer(503, {"message": "down"})

    with pytest.raises(MigrationInterrupted, match="run the same command again"):
        await patience(clock, 10.0).insist(ask)
    assert clock.now <= 10.0


async def test_a_key_that_is_not_taken_ends_it_at_once() -> None:
    async def ask() -> Answer:
        return Answer(401, {"message": "Invalid API key"})

    with pytest.raises(MigrationRefused, match="secret key"):
        await patience(Clock()).insist(ask)


async def test_a_database_that_lets_the_key_in_and_forbids_the_deed_is_another_answer() -> None:
    async def ask() -> Answer:
        return Answer(403, {"code": "42501", "message": "permission denied"})

    assert (await patience(Clock()).insist(ask)).code == "42501"


async def test_calls_keep_the_pace_that_was_asked_for() -> None:
    clock = Clock()
    pace = Pace(4.0, clock, clock.sleep)
    for _ in range(5):
        await pace.turn()
    assert clock.now == pytest.approx(1.0)


async def test_without_a_pace_nobody_waits() -> None:
    clock = Clock()
    for _ in range(5):
        await Pace(0.0, clock, clock.sleep).turn()
    assert clock.slept == []
