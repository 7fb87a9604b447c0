from __future__ import annotations

from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.restart_policy import (
    JITTER,
    Backoff,
    Decision,
    Degraded,
    Ending,
    GiveUp,
    Intensity,
    Restart,
    RestartPolicy,
)

BACKOFF = Backoff(first=0.5, longest=30, reset_after=600)
INTENSITY = Intensity(most=5, within=60, retry_every=60)
NEVER_TOO_MANY = Intensity(most=1_000_000)
CRASHED = Ending(code=-9, ready_at=None, ended_at=0)


class NoJitter(Random):
    def random(self) -> float:
        return 0.0


def delays(policy: RestartPolicy, endings: list[Ending]) -> list[float]:
    decisions = [policy.decide(ending) for ending in endings]
    return [decision.delay for decision in decisions if isinstance(decision, Restart)]


def crash(policy: RestartPolicy, times: int, *, at: float = 0) -> Decision:
    """So many crashes at that moment; the last decision."""
    decisions = [policy.decide(Ending(-11, None, at)) for _ in range(times)]
    return decisions[-1]


def tripped() -> RestartPolicy:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    assert crash(policy, 6) == Degraded(60)
    return policy


def test_the_first_restart_is_at_once_and_later_ones_wait_twice_as_long_each_up_to_the_longest() -> None:
    policy = RestartPolicy(BACKOFF, NEVER_TOO_MANY, NoJitter())
    assert delays(policy, [CRASHED] * 10) == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_steps_grow_with_any_jitter() -> None:
    found = delays(RestartPolicy(BACKOFF, NEVER_TOO_MANY, Random(7)), [CRASHED] * 8)
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_ten_minutes_of_being_ready_forget_earlier_failures() -> None:
    policy = RestartPolicy(BACKOFF, NEVER_TOO_MANY, NoJitter())
    delays(policy, [CRASHED] * 5)
    assert policy.decide(Ending(code=1, ready_at=100, ended_at=699)) == Restart(8)
    assert policy.decide(Ending(code=1, ready_at=1000, ended_at=1600)) == Restart(0)


def test_a_boot_failure_counts_double() -> None:
    policy = RestartPolicy(BACKOFF, NEVER_TOO_MANY, NoJitter())
    boot_failure = Ending(code=3, ready_at=None, ended_at=0)
    assert delays(policy, [boot_failure] * 3) == [0.5, 2, 8]


def test_a_boot_failure_counts_double_among_the_recent_ones_too() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    decisions = [policy.decide(Ending(code=3, ready_at=None, ended_at=at)) for at in (0, 10, 20)]
    assert decisions == [Restart(0.5), Restart(2), Degraded(60)]


@pytest.mark.parametrize("code", [64, 78])
def test_a_wrong_configuration_at_the_first_start_gives_up(code: int) -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    crash(policy, 1)
    assert policy.decide(Ending(code, None, 0)) == GiveUp(78)


@pytest.mark.parametrize("code", [64, 78])
def test_a_wrong_configuration_after_any_life_was_ready_waits_for_it_to_be_mended(code: int) -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    policy.decide(Ending(1, ready_at=0, ended_at=1))
    assert policy.decide(Ending(code, None, 2)) == Degraded(60)
    assert not policy.safe_mode


@pytest.mark.parametrize("code", [64, 78])
@pytest.mark.parametrize("tries", [0, 1])
def test_a_wrong_configuration_leaves_the_turn_of_safe_mode_as_it_is(code: int, tries: int) -> None:
    policy = tripped()
    policy.decide(Ending(75, ready_at=100, ended_at=101))  # ready once, so that nothing gives up
    for _ in range(tries):
        crash(policy, 1, at=200)
    before = policy.safe_mode
    assert policy.decide(Ending(code, None, 300)) == Degraded(60)
    assert policy.safe_mode is before is bool(tries)


def test_somebody_who_mended_something_does_not_make_a_used_socket_be_given_up() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    policy.decide(Ending(1, ready_at=0, ended_at=1))
    policy.forget()
    assert policy.decide(Ending(78, None, 2)) == Degraded(60)


def test_a_daemon_that_asks_for_a_restart_gets_it_at_once_however_often() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    assert delays(policy, [Ending(code=75, ready_at=1, ended_at=2)] * 20) == [0] * 20


def test_one_that_asks_before_it_is_ready_cannot_spin() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    endings = [Ending(code=75, ready_at=None, ended_at=2)] * 6
    assert delays(policy, endings) == [0, 0.5, 1, 2, 4]
    assert policy.decide(endings[0]) == Degraded(60)


def test_a_drain_that_nobody_asked_for_is_restarted() -> None:
    assert RestartPolicy(BACKOFF, INTENSITY, NoJitter()).decide(Ending(0, 1, 2)) == Restart(0)


def test_the_sixth_failure_within_a_minute_degrades() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    decisions = [policy.decide(Ending(1, None, at)) for at in (0, 10, 20, 30, 40, 59)]
    assert decisions == [*map(Restart, (0, 0.5, 1, 2, 4)), Degraded(60)]


def test_failures_that_are_further_apart_never_degrade() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    decisions = [policy.decide(Ending(1, None, 12.0 * step)) for step in range(100)]
    assert all(isinstance(decision, Restart) for decision in decisions)


def test_the_time_to_the_next_try_is_only_ever_shortened_by_the_jitter() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, Random(3))
    crash(policy, 5)
    waits = [decision.retry_after for _ in range(50) if isinstance(decision := crash(policy, 1), Degraded)]
    assert len(set(waits)) == 50
    assert all(60 * (1 - JITTER) <= wait <= 60 for wait in waits)


def test_tries_are_normal_first_and_then_in_safe_mode_every_other_time() -> None:
    policy = tripped()
    modes = []
    for step in range(6):
        modes.append(policy.safe_mode)
        assert crash(policy, 1, at=1000.0 * step) == Degraded(60)
    assert modes == [False, True, False, True, False, True]


def test_a_try_that_dies_young_degrades_at_once_though_it_was_ready() -> None:
    assert tripped().decide(Ending(-9, ready_at=100, ended_at=159)) == Degraded(60)


def test_a_try_that_proves_itself_closes_the_circuit() -> None:
    policy = tripped()
    assert policy.decide(Ending(-9, ready_at=100, ended_at=160)) == Restart(0)
    assert policy.failures == 1
    assert isinstance(crash(policy, 4, at=161), Restart)
    assert crash(policy, 1, at=162) == Degraded(60)


def test_a_safe_mode_that_proved_itself_stays_until_somebody_mends_the_cause() -> None:
    policy = tripped()
    crash(policy, 1, at=100)
    assert policy.safe_mode
    assert policy.decide(Ending(75, ready_at=200, ended_at=2000)) == Restart(0)
    assert policy.safe_mode
    assert policy.decide(Ending(-9, ready_at=3000, ended_at=3001)) == Restart(0)
    assert policy.safe_mode
    policy.forget()
    assert not policy.safe_mode


def test_a_circuit_that_opens_again_in_safe_mode_first_tries_the_normal_mode() -> None:
    policy = tripped()
    crash(policy, 1, at=100)
    policy.decide(Ending(-9, ready_at=200, ended_at=2000))
    assert policy.safe_mode
    assert crash(policy, 5, at=2001) == Degraded(60)
    assert not policy.safe_mode


def test_a_restart_that_a_try_asks_for_is_the_same_try_again() -> None:
    policy = tripped()
    crash(policy, 1, at=100)
    assert policy.decide(Ending(75, ready_at=200, ended_at=210)) == Restart(0)
    assert policy.safe_mode
    assert crash(policy, 1, at=300) == Degraded(60)


def test_mended_the_earlier_failures_are_none_of_the_recent_ones() -> None:
    policy = RestartPolicy(BACKOFF, INTENSITY, NoJitter())
    crash(policy, 5)
    policy.forget()
    assert crash(policy, 5) == Restart(4)
    assert crash(policy, 1) == Degraded(60)


def test_mended_it_starts_as_the_very_first_time() -> None:
    policy = tripped()
    crash(policy, 1, at=100)
    policy.forget()
    assert (policy.failures, policy.safe_mode) == (0, False)
    assert crash(policy, 1, at=101) == Restart(0)


FAILURE_CODES = (-11, -9, -6, 0, 1, 2, 3, 71, 75, 100, 137)
# Halves: their sums and differences are exact, so a shifted clock gives the very same numbers.
SECONDS = (st.integers(0, 10) | st.integers(0, 240)).map(lambda halves: halves / 2)
SHIFT = 86_400.0 * 365


class Lives(RuleBasedStateMachine):
    """Any sequence of lives, told to a policy and to its twin, whose clock shows another time."""

    @initialize(
        most=st.integers(1, 6), within=st.integers(1, 60), retry_every=st.integers(1, 90), seed=st.integers(0, 9)
    )
    def start(self, most: int, within: int, retry_every: int, seed: int) -> None:
        self.intensity = Intensity(most, float(within), float(retry_every))
        self.random = Random(seed)
        self.policy = RestartPolicy(BACKOFF, self.intensity, self.random)
        self.clock = 0.0
        self.failed_at: list[float] = []  # since the circuit was last closed; boot failures twice
        self.open = False
        self.tries: list[bool] = []  # the modes of those that failed since the circuit opened
        self.ever_ready = False
        self.renew_twin()

    def renew_twin(self) -> None:
        self.twin_random = Random()
        self.twin_random.setstate(self.random.getstate())
        self.twin = RestartPolicy(BACKOFF, self.intensity, self.twin_random)
        if self.ever_ready:
            self.twin.decide(Ending(75, 0, 0))

    def live(self, code: int, pause: float, starting: float, ready: float | None) -> Decision:
        self.clock += pause + starting
        ready_at = None if ready is None else self.clock
        self.clock += ready or 0
        decision = self.policy.decide(Ending(code, ready_at, self.clock))
        shifted = Ending(code, None if ready_at is None else ready_at + SHIFT, self.clock + SHIFT)
        assert self.twin.decide(shifted) == decision
        self.ever_ready |= ready is not None
        return decision

    def prove(self) -> None:
        """The life of that mode was ready for as long as a recovery takes."""
        if self.open:
            self.open = False
            self.failed_at, self.tries = [], []

    def assert_degraded(self, decision: Decision) -> None:
        assert isinstance(decision, Degraded)
        longest = self.intensity.retry_every
        assert longest * (1 - JITTER) <= decision.retry_after <= longest
        self.open = True
        self.failed_at = []

    @rule(code=st.sampled_from(FAILURE_CODES), pause=SECONDS, starting=SECONDS, ready=st.none() | SECONDS)
    def fail(self, code: int, pause: float, starting: float, ready: float | None) -> None:
        if code == 75:
            ready = None
        before, mode = self.policy.failures, self.policy.safe_mode
        decision = self.live(code, pause, starting, ready)
        if ready is not None and ready >= self.intensity.within:
            before = 0 if self.open else before
            self.prove()
        weight = 2 if code == 3 else 1
        assert self.policy.failures == before + weight
        if self.open:
            self.tries.append(mode)
            self.assert_degraded(decision)
            assert self.policy.safe_mode is not mode
            return
        self.failed_at += [self.clock] * weight
        recent = [at for at in self.failed_at if self.clock - at < self.intensity.within]
        if len(recent) > self.intensity.most:
            self.assert_degraded(decision)
            assert not self.policy.safe_mode
        else:
            assert isinstance(decision, Restart)
            longest = BACKOFF.delay(self.policy.failures)
            assert longest * (1 - JITTER) <= decision.delay <= longest <= BACKOFF.longest
            assert self.policy.safe_mode is mode

    @rule(code=st.sampled_from([-9, 0, 1]), ready=st.integers(601, 1_000_000))
    def live_long(self, code: int, ready: int) -> None:
        mode = self.policy.safe_mode
        assert self.live(code, 0, 1, float(ready)) == Restart(0)
        self.prove()
        self.failed_at.append(self.clock)
        assert self.policy.failures == 1
        assert self.policy.safe_mode is mode

    @rule(ready=SECONDS)
    def ask_for_a_restart(self, ready: float) -> None:
        mode = self.policy.safe_mode
        assert self.live(75, 0, 1, ready) == Restart(0)
        if ready >= self.intensity.within:
            self.prove()
        assert self.policy.safe_mode is mode

    @rule(code=st.sampled_from([64, 78]), ready=st.none() | SECONDS)
    def be_misconfigured(self, code: int, ready: float | None) -> None:
        mode = self.policy.safe_mode
        decision = self.live(code, 0, 1, ready)
        if ready is not None and ready >= self.intensity.within:
            self.prove()
        if self.ever_ready:
            self.assert_degraded(decision)
        else:
            assert decision == GiveUp(78)
        assert self.policy.safe_mode is mode

    @precondition(lambda self: self.policy.failures)
    @rule()
    def be_mended(self) -> None:
        """From then on it is as a new one, of which the twin is an example."""
        self.policy.forget()
        self.open = False
        self.failed_at, self.tries = [], []
        self.renew_twin()

    @invariant()
    def both_count_the_same(self) -> None:
        assert self.policy.failures == self.twin.failures >= 0
        assert self.policy.safe_mode == self.twin.safe_mode

    @invariant()
    def tries_take_turns(self) -> None:
        assert all(mode is not following for mode, following in zip(self.tries, self.tries[1:], strict=False))


TestLives = Lives.TestCase
