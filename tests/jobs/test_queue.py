from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.errors import QueueFull
from daemon.jobs.job import JobSpec, Priority
from daemon.jobs.queue import JobQueue
from tests.store.rows import new_job

BOUND = 4


class QueueMachine(RuleBasedStateMachine):
    """The queue beside two lists."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = JobQueue(BOUND)
        self.model: dict[Priority, list[str]] = {"interactive": [], "batch": []}
        self.given = 0

    @rule(priority=st.sampled_from(["interactive", "batch"]), first=st.booleans())
    def put(self, priority: Priority, first: bool) -> None:
        self.given += 1
        self.queue.put(new_job(id=str(self.given), spec=JobSpec(scale=2.0, priority=priority)), first=first)
        self.model[priority].insert(0 if first else len(self.model[priority]), str(self.given))

    @rule(number=st.integers(0, 20))
    def remove(self, number: int) -> None:
        self.queue.remove(str(number))
        for line in self.model.values():
            if str(number) in line:
                line.remove(str(number))

    @precondition(lambda self: any(self.model.values()))
    @rule()
    def get(self) -> None:
        expected = (self.model["interactive"] or self.model["batch"]).pop(0)
        assert asyncio.run(self.queue.get()).id == expected

    @invariant()
    def counts(self) -> None:
        assert len(self.queue) == sum(map(len, self.model.values()))

    @invariant()
    def knows_who_is_ahead(self) -> None:
        interactive, batch = self.model["interactive"], self.model["batch"]
        assert [job.id for job in self.queue.ahead_of("interactive")] == interactive
        assert [job.id for job in self.queue.ahead_of("batch")] == interactive + batch

    @invariant()
    def refuses_at_its_bound(self) -> None:
        if len(self.queue) >= BOUND:
            with pytest.raises(QueueFull):
                self.queue.require_room()
        else:
            self.queue.require_room()


QueueMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestQueue = QueueMachine.TestCase


async def test_who_waits_gets_the_next_job_and_waits_again_when_it_was_taken_back() -> None:
    queue = JobQueue(BOUND)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put(new_job(id="a"))
    queue.remove("a")
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(new_job(id="b"))
    assert (await waiting).id == "b"


async def test_a_waiter_that_gives_up_takes_no_job_along() -> None:
    queue = JobQueue(BOUND)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put(new_job(id="a"))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await queue.get()).id == "a"
