"""What is new to a consumer, of all that comes in over connections that break anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.client.told import MOST_REMEMBERED, Told
from daemon.client.views import KINDS, OVER, JobEvent, JobView
from daemon.errors import UnexpectedAnswer

MOVES = {"queued": ("running", "cancelled", "done"), "running": ("queued", "done", "failed", "cancelled")}
JOBS = ("a", "b", "c")


@dataclass
class History:
    """What a service did: a list of changes, the place in it being the number of the change."""

    changes: list[tuple[str, str]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)

    def move(self, draw: st.DrawFn) -> None:
        job = draw(st.sampled_from(JOBS))
        options = MOVES.get(self.states[job], ()) if job in self.states else ("queued",)
        if options:
            self.states[job] = draw(st.sampled_from(options))
            self.changes.append((job, self.states[job]))

    @property
    def seq(self) -> int:
        return len(self.changes)

    def message(self, seq: int) -> dict[str, Any]:
        job, state = self.changes[seq - 1]
        return {"seq": seq, "job": job, "event": KINDS.get(state, state), "data": {"state": state}}

    def snapshot(self) -> list[JobView]:
        return [JobView(id=job, state=state) for job, state in self.states.items()]

    def kinds(self, job: str) -> list[str]:
        return [KINDS.get(state, state) for one, state in self.changes if one == job]


@st.composite
def lives(draw: st.DrawFn, *, resets: bool) -> tuple[History, list[JobEvent]]:
    """A history, and what the consumer of an iterator over all jobs since its beginning is told of it meanwhile."""
    history, told, heard = History(), Told(None, 0), []
    for _ in range(draw(st.integers(1, 12))):
        for _ in range(draw(st.integers(0, 4))):
            history.move(draw)
        if resets and draw(st.booleans()):
            heard += told.snapshot(history.seq, history.snapshot())
        else:
            heard += _replay(history, told, draw(st.integers(told.since or 0, history.seq)))
    heard += _replay(history, told, history.seq)
    return history, heard


def _replay(history: History, told: Told, up_to: int) -> Iterator[JobEvent]:
    for seq in range((told.since or 0) + 1, up_to + 1):
        if (event := told.event(history.message(seq))) is not None:
            yield event


@given(lives(resets=False))
def test_where_the_service_remembers_all_the_consumer_hears_all_once_and_in_order(
    life: tuple[History, list[JobEvent]],
) -> None:
    history, heard = life
    assert [event.seq for event in heard] == list(range(1, history.seq + 1))
    for job in JOBS:
        assert [event.kind for event in heard if event.job_id == job] == history.kinds(job)


@given(lives(resets=True))
def test_where_it_forgets_the_consumer_hears_how_each_job_stands_and_its_end_exactly_once(
    life: tuple[History, list[JobEvent]],
) -> None:
    history, heard = life
    for job, state in history.states.items():
        kinds = [event.kind for event in heard if event.job_id == job]
        assert kinds[-1] == KINDS.get(state, state)
        assert all(one != other for one, other in itertools.pairwise(kinds)), "none twice in a row"
        assert all(kind not in OVER for kind in kinds[:-1]), "nothing after the end"


def test_all_of_a_snapshot_but_the_last_keeps_the_number_from_before() -> None:
    """Whoever stops in the middle and goes on from there later is told the rest."""
    news = Told(None, 3).snapshot(9, [JobView(id="a", state="done"), JobView(id="b", state="queued")])
    assert [(event.seq, event.kind, event.from_snapshot) for event in news] == [(3, "done", True), (9, "queued", True)]


def test_who_follows_all_from_now_on_is_not_told_of_what_was_over_before() -> None:
    told = Told(None, None)
    news = told.snapshot(9, [JobView(id="a", state="done"), JobView(id="b", state="running", progress=0.5)])
    assert [(event.job_id, event.kind) for event in news] == [("b", "started"), ("b", "progress")]
    assert told.snapshot(9, [JobView(id="a", state="done")]) == []


def test_an_event_of_a_snapshot_says_what_the_service_would_have_said() -> None:
    done = JobView(id="a", state="done", cache="hit", device="gpu", result_bytes=7, stages={"x": 1.0}, attempts=1)
    (event,) = Told(frozenset({"a"}), None).snapshot(1, [done])
    result = {"state": "done", "cached": True, "device": "gpu", "bytes": 7, "stages": {"x": 1.0}}
    assert event.data == result | {"attempts": 1, "restarts": 0}


def test_progress_never_falls_and_says_nothing_of_a_job_that_is_over() -> None:
    told = Told(frozenset({"a"}), 0)

    def progress(fraction: float) -> JobEvent | None:
        return told.event({"seq": 0, "job": "a", "event": "progress", "data": {"progress": fraction}})

    figures = [event.progress for fraction in (0.0, 0.5, 0.2, 0.5, 0.7) if (event := progress(fraction)) is not None]
    assert figures == [0.0, 0.5, 0.7]
    assert told.event({"seq": 1, "job": "a", "event": "done", "data": {}})
    assert progress(0.9) is None
    assert told.is_complete


def test_other_jobs_are_passed_over() -> None:
    told = Told(frozenset({"a"}), 0)
    assert told.event({"seq": 1, "job": "b", "event": "done", "data": {}}) is None
    assert told.snapshot(2, [JobView(id="b", state="done")]) == []
    assert told.open == {"a"}


def test_ends_of_jobs_do_not_fill_the_memory_for_ever() -> None:
    told = Told(None, 0)
    for seq in range(1, MOST_REMEMBERED + 100):
        told.event({"seq": seq, "job": str(seq), "event": "done", "data": {}})
    assert len(told._over) == MOST_REMEMBERED
    assert not told.open


def test_a_later_services_events_and_members_pass_through() -> None:
    told = Told(frozenset({"a"}), 0)
    event = told.event({"seq": 1, "job": "a", "event": "paused", "data": {"by": "you"}, "mood": "good"})
    assert event == JobEvent(1, "a", "paused", {"by": "you"})


@pytest.mark.parametrize("lacks", ["seq", "job", "data"])
def test_what_is_no_event_is_an_error(lacks: str) -> None:
    message = {"seq": 1, "job": "a", "event": "done", "data": {}}
    del message[lacks]
    with pytest.raises(UnexpectedAnswer):
        Told(None, 0).event(message)
