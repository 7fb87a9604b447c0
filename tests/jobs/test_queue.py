from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.errors import QueueFull
from daemon.jobs.job import Job, JobSpec, Priority
from daemon.jobs.queue import JobQueue, QueueBounds
from tests.store.rows import Clock, new_job

BOUNDS = QueueBounds(total=6, per_owner=4)


def _job(number: int, owner: str = "ann", priority: Priority = "interactive", client: str = "", side: int = 100) -> Job:
    spec = JobSpec(scale=2.0, priority=priority, client=client)
    return new_job(id=str(number), owner=owner, spec=spec, out_width=side, out_height=side)


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a plain list of what waits: of one owner and program, first in is first out."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = JobQueue(BOUNDS)
        self.model: list[Job] = []
        self.given = 0
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        self.loop.close()

    def _line(self, like: Job) -> list[str]:
        key = (like.owner, like.spec.priority, like.spec.client)
        return [job.id for job in self.model if (job.owner, job.spec.priority, job.spec.client) == key]

    @rule(
        owner=st.sampled_from(["ann", "bob"]),
        priority=st.sampled_from(["interactive", "batch"]),
        client=st.sampled_from(["", "x"]),
        side=st.integers(1, 500),
        first=st.booleans(),
    )
    def put(self, owner: str, priority: Priority, client: str, side: int, first: bool) -> None:
        self.given += 1
        job = _job(self.given, owner, priority, client, side)
        self.queue.put(job, first=first)
        self.model.insert(0 if first else len(self.model), job)

    @rule(number=st.integers(0, 20))
    def remove(self, number: int) -> None:
        self.queue.remove(str(number))
        self.model = [job for job in self.model if job.id != str(number)]

    @precondition(lambda self: self.model)
    @rule()
    def get(self) -> None:
        job = self.loop.run_until_complete(self.queue.get())
        assert self._line(job)[0] == job.id
        if any(other.spec.priority == "interactive" for other in self.model):
            assert job.spec.priority == "interactive"
        self.model.remove(job)

    @precondition(lambda self: self.model)
    @rule()
    def gives_nothing_while_paused(self) -> None:
        self.queue.pause()

        async def wait() -> bool:
            waiting = asyncio.ensure_future(self.queue.get())
            for _ in range(3):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return waiting.cancelled()

        assert self.loop.run_until_complete(wait())
        self.queue.resume()

    @invariant()
    def counts(self) -> None:
        assert len(self.queue) == len(self.model)
        waiting = {job.id for priority in ("interactive", "batch") for job in self.queue.waiting(priority)}
        assert waiting == {job.id for job in self.model}

    @invariant()
    def refuses_at_its_bounds(self) -> None:
        counts = Counter(job.owner for job in self.model)
        for owner in ("ann", "bob"):
            with ExitStack() as stack:
                if len(self.model) >= BOUNDS.total or counts[owner] >= BOUNDS.per_owner:
                    stack.enter_context(pytest.raises(QueueFull))
                with self.queue.place(owner):
                    assert len(self.queue) == len(self.model)


QueueMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestQueue = QueueMachine.TestCase


async def test_a_thousand_jobs_of_one_owner_hold_another_up_for_one() -> None:
    queue = JobQueue(QueueBounds(2000, 2000))
    for number in range(1000):
        queue.put(_job(number, "ann"))
    for number in range(1000, 1010):
        queue.put(_job(number, "bob"))
    assert Counter([(await queue.get()).owner for _ in range(20)]) == {"ann": 10, "bob": 10}


async def test_programs_of_one_owner_take_turns_within_that_owners_share() -> None:
    queue = JobQueue(QueueBounds(2000, 2000))
    for number in range(100):
        queue.put(_job(number, "ann", client=f"program {number % 5}"))
        queue.put(_job(1000 + number, "bob"))
    went = [await queue.get() for _ in range(40)]
    assert Counter(job.owner for job in went) == {"ann": 20, "bob": 20}
    assert set(Counter(job.spec.client for job in went if job.owner == "ann").values()) == {4}


async def test_a_share_is_of_work_not_of_jobs() -> None:
    queue = JobQueue(QueueBounds(2000, 2000))
    for number in range(100):
        queue.put(_job(number, "ann", side=1000))
        queue.put(_job(1000 + number, "bob", side=250))  # a sixteenth of the pixels
    assert Counter([(await queue.get()).owner for _ in range(34)]) == {"ann": 2, "bob": 32}


async def test_ahead_of_a_new_job_are_its_owners_own_and_as_much_work_of_everybody_else() -> None:
    queue = JobQueue(QueueBounds(2000, 2000))
    for number in range(5):
        queue.put(_job(number, "ann"))
        queue.put(_job(10 + number, "bob", "batch"))
    queue.put(_job(20, "bob"))

    def ids(priority: Priority, owner: str) -> set[str]:
        return {job.id for job in queue.ahead_of(priority, owner)}

    assert ids("interactive", "eve") == {"0", "20"}  # one of each, whose turn may be before hers
    assert ids("interactive", "bob") == {"20", "0", "1"}
    assert ids("interactive", "ann") == {"0", "1", "2", "3", "4", "20"}
    assert ids("batch", "bob") == {"0", "1", "2", "3", "4", "20", "10", "11", "12", "13", "14"}
    assert ids("batch", "eve") == {"0", "1", "2", "3", "4", "20", "10"}


async def test_a_job_that_lost_its_turn_is_the_next_one() -> None:
    queue = JobQueue(BOUNDS)
    for number, owner in enumerate(["ann", "ann", "bob"]):
        queue.put(_job(number, owner))
    lost = await queue.get()
    queue.put(lost, first=True)
    assert (await queue.get()).id == lost.id


async def test_however_many_come_at_once_the_bound_holds() -> None:
    queue = JobQueue(BOUNDS)
    with ExitStack() as stack:
        for _ in range(BOUNDS.per_owner):
            stack.enter_context(queue.place("ann"))
        with pytest.raises(QueueFull), queue.place("ann"):
            raise AssertionError
        with queue.place("bob"):
            queue.put(_job(1, "bob"))
    assert len(queue) == 1
    with queue.place("ann"):
        pass


async def test_retry_after_is_the_pace_at_which_jobs_go() -> None:
    clock = Clock()
    queue = JobQueue(QueueBounds(3, 3), monotonic=clock)
    for _ in range(5):
        queue.put(_job(0))
        await queue.get()
        clock.now += 7.2
    for number in range(3):
        queue.put(_job(number))
    with pytest.raises(QueueFull) as full, queue.place("ann"):
        raise AssertionError
    assert full.value.details == {"retry_after": 8}
    queue.pause()
    with pytest.raises(QueueFull) as full, queue.place("ann"):
        raise AssertionError
    assert full.value.details == {"retry_after": 5}


async def test_who_waits_gets_the_next_job_and_waits_again_when_it_was_taken_back() -> None:
    queue = JobQueue(BOUNDS)
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
    queue = JobQueue(BOUNDS)
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put(new_job(id="a"))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await queue.get()).id == "a"
