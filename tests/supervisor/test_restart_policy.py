from __future__ import annotations

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from supervisor.restart_policy import JITTER, Backoff, Ending, GiveUp, Restart, RestartPolicy

BACKOFF = Backoff(first=0.5, longest=30, reset_after=600)
CRASHED = Ending(code=-9, ready_at=None, ended_at=0)


class NoJitter(Random):
    def random(self) -> float:
        return 0.0


def delays(policy: RestartPolicy, endings: list[Ending]) -> list[float]:
    decisions = [policy.decide(ending) for ending in endings]
    return [decision.delay for decision in decisions if isinstance(decision, Restart)]


def test_the_first_restart_is_at_once_and_later_ones_wait_twice_as_long_each_up_to_the_longest() -> None:
    policy = RestartPolicy(BACKOFF, NoJitter())
    assert delays(policy, [CRASHED] * 10) == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_steps_grow_with_any_jitter() -> None:
    found = delays(RestartPolicy(BACKOFF, Random(7)), [CRASHED] * 8)
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_ten_minutes_of_being_ready_forget_earlier_failures() -> None:
    policy = RestartPolicy(BACKOFF, NoJitter())
    delays(policy, [CRASHED] * 5)
    assert policy.decide(Ending(code=1, ready_at=100, ended_at=699)) == Restart(8)
    assert policy.decide(Ending(code=1, ready_at=1000, ended_at=1600)) == Restart(0)


def test_a_boot_failure_counts_double() -> None:
    policy = RestartPolicy(BACKOFF, NoJitter())
    boot_failure = Ending(code=3, ready_at=None, ended_at=0)
    assert delays(policy, [boot_failure] * 3) == [0.5, 2, 8]


@pytest.mark.parametrize("code", [64, 78])
def test_a_wrong_configuration_gives_up(code: int) -> None:
    assert RestartPolicy(BACKOFF, NoJitter()).decide(Ending(code, None, 0)) == GiveUp(78)


def test_a_daemon_that_asks_for_a_restart_gets_it_at_once_however_often() -> None:
    policy = RestartPolicy(BACKOFF, NoJitter())
    assert delays(policy, [Ending(code=75, ready_at=1, ended_at=2)] * 20) == [0] * 20


def test_one_that_asks_before_it_is_ready_cannot_spin() -> None:
    policy = RestartPolicy(BACKOFF, NoJitter())
    assert delays(policy, [Ending(code=75, ready_at=None, ended_at=2)] * 3) == [0, 0.5, 1]


def test_a_drain_that_nobody_asked_for_is_restarted() -> None:
    assert RestartPolicy(BACKOFF, NoJitter()).decide(Ending(0, 1, 2)) == Restart(0)


class Lives(RuleBasedStateMachine):
    """Any sequence of lives: delays stay in their bounds, only configuration gives up, only a long life forgives."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = RestartPolicy(BACKOFF, Random(0))
        self.clock = 0.0

    def live(self, code: int, starting: float, ready: float | None) -> Restart | GiveUp:
        ready_at = None if ready is None else self.clock + starting
        self.clock += starting + (ready or 0)
        return self.policy.decide(Ending(code, ready_at, self.clock))

    @rule(
        code=st.sampled_from([-11, -9, -6, 0, 1, 2, 3, 100, 137]),
        starting=st.floats(0, 60),
        ready=st.none() | st.floats(0, 599),
    )
    def fail(self, code: int, starting: float, ready: float | None) -> None:
        before = self.policy.failures
        decision = self.live(code, starting, ready)
        assert isinstance(decision, Restart)
        assert self.policy.failures == before + (2 if code == 3 else 1)
        longest = BACKOFF.delay(self.policy.failures)
        assert longest * (1 - JITTER) <= decision.delay <= longest <= BACKOFF.longest

    @rule(code=st.sampled_from([-9, 0, 1]), ready=st.floats(601, 1e6))
    def live_long(self, code: int, ready: float) -> None:
        assert self.live(code, 1, ready) == Restart(0)
        assert self.policy.failures == 1

    @rule(ready=st.floats(0, 599))
    def ask_for_a_restart(self, ready: float) -> None:
        before = self.policy.failures
        assert self.live(75, 1, ready) == Restart(0)
        assert self.policy.failures == before

    @rule(code=st.sampled_from([64, 78]), ready=st.none() | st.floats(0, 1e6))
    def be_misconfigured(self, code: int, ready: float | None) -> None:
        assert self.live(code, 1, ready) == GiveUp(78)

    @invariant()
    def failures_are_counted_up_from_none(self) -> None:
        assert self.policy.failures >= 0


TestLives = Lives.TestCase
