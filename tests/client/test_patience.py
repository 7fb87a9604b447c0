"""How long a call bears with a service, by a clock of the test's own."""

from __future__ import annotations

import pytest

from daemon.client.patience import Patience, Tries
from daemon.errors import BrokenImage, Draining, ProEngineError, QueueFull, ServiceUnreachable

PATIENCE = Patience(away=10, queue=100, first=1, most=4)
AWAY = ServiceUnreachable("away")
FULL = QueueFull("full", retry_after=5, status=429)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def waits(self, tries: Tries, error: ProEngineError) -> list[float]:
        """The pauses of a call that meets nothing but this error."""
        pauses = []
        while (pause := tries.pause(error)) is not None:
            pauses.append(pause)
            self.now += pause
        return pauses


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_pauses_grow_and_end_before_the_patience_does(clock: Clock) -> None:
    assert clock.waits(Tries(PATIENCE, clock=clock), AWAY) == [1, 2, 4]


def test_the_services_own_word_counts_where_it_is_longer(clock: Clock) -> None:
    draining = Draining("soon", retry_after=3, status=503)
    assert clock.waits(Tries(PATIENCE, clock=clock), draining) == [3, 3, 4]


@pytest.mark.parametrize("asked", [11, 1e9])
def test_a_wait_beyond_the_patience_is_not_begun(clock: Clock, asked: float) -> None:
    assert Tries(PATIENCE, clock=clock).pause(Draining("soon", retry_after=asked, status=503)) is None


@pytest.mark.parametrize("asked", [-1, 0, "x", None])
def test_a_word_that_says_nothing_is_passed_over(clock: Clock, asked: object) -> None:
    assert Tries(PATIENCE, clock=clock).pause(Draining("soon", retry_after=asked, status=503)) == 1


def test_any_503_is_a_service_that_comes_back(clock: Clock) -> None:
    assert Tries(PATIENCE, clock=clock).pause(ProEngineError("no daemon", status=503)) == 1


def test_a_full_queue_is_waited_for_only_where_that_was_asked(clock: Clock) -> None:
    assert Tries(PATIENCE, clock=clock).pause(FULL) is None
    waits = clock.waits(Tries(PATIENCE, for_room=True, clock=clock), FULL)
    assert set(waits) == {5}
    assert 95 <= sum(waits) <= PATIENCE.queue


def test_a_restart_while_waiting_for_room_has_its_own_time(clock: Clock) -> None:
    tries = Tries(PATIENCE, for_room=True, clock=clock)
    for _ in range(9):
        assert tries.pause(FULL) == 5
        assert tries.pause(AWAY) is not None
        clock.now += 9.0


def test_what_came_of_a_try_makes_a_new_beginning(clock: Clock) -> None:
    tries = Tries(PATIENCE, clock=clock)
    clock.waits(tries, AWAY)
    tries.may_renew = False
    tries.reset()
    assert clock.waits(tries, AWAY) == [1, 2, 4]
    assert tries.may_renew


def test_what_is_wrong_with_the_request_is_never_tried_again(clock: Clock) -> None:
    assert Tries(PATIENCE, clock=clock).pause(BrokenImage("broken", status=422)) is None
