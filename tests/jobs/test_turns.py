from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.jobs.turns import Turns

COSTS = st.lists(st.integers(1, 1000), min_size=200, max_size=200)


@given(ann=COSTS, bob=COSTS)
def test_two_who_always_wait_get_the_same_work_to_within_one_job_of_each(ann: list[int], bob: list[int]) -> None:
    """The bound of the paper: the largest cost of the one plus that of the other."""
    turns, lines, done = Turns(), {"ann": list(ann), "bob": list(bob)}, {"ann": 0, "bob": 0}
    while all(lines.values()):
        name = turns.next(lines)
        cost = lines[name].pop()
        turns.charge(name, cost)
        done[name] += cost
        assert abs(done["ann"] - done["bob"]) <= max(ann) + max(bob)


@given(costs=COSTS, large=st.integers(1, 10**6))
def test_one_who_asks_for_one_large_job_at_a_time_does_not_keep_the_others_waiting(
    costs: list[int], large: int
) -> None:
    """Each large job must let through as much of the others' work before the next."""
    turns, small_since, larges = Turns(), 0, 0
    while costs and larges < 3:
        name = turns.next(["large", "small"])  # it is back as soon as it was served
        if name == "large":
            assert not larges or small_since + max(costs) >= large
            turns.charge(name, large)
            larges, small_since = larges + 1, 0
        else:
            cost = costs.pop()
            turns.charge(name, cost)
            small_since += cost + 1


def test_one_who_comes_late_does_not_get_the_turns_of_the_time_before() -> None:
    turns = Turns()
    for _ in range(100):
        turns.charge("early", 1)
    given = []
    for _ in range(10):
        given.append(turns.next(["early", "late"]))
        turns.charge(given[-1], 1)
    assert given.count("late") in {5, 6}


def test_a_turn_that_is_taken_back_counts_for_nothing() -> None:
    turns = Turns()
    turns.charge("ann", 100)
    turns.refund("ann", 100)
    assert turns.next(["ann", "bob"]) == "ann"
    turns.charge("ann", 1)
    assert turns.next(["ann", "bob"]) == "bob"


def test_those_who_are_not_ahead_are_forgotten() -> None:
    turns = Turns()
    for number in range(1000):
        turns.charge(str(number), 1)
        turns.charge("other", 1)
    assert len(turns._tags) <= 1000
    for _ in range(1000):
        turns.charge(turns.next(["a", "b"]), 1)
    assert set(turns._tags) <= {"a", "b", "other"}
