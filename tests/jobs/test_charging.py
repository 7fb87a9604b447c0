"""A job is charged before it is there, once, and not at all where it does not come to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.accounts.billing import Charge
from daemon.accounts.limits import AccountLimits, Wanted
from daemon.errors import (
    AuthUnavailable,
    BrokenImage,
    DiskFull,
    IdempotencyConflict,
    InvalidToken,
    NotPermitted,
    ProEngineError,
    UsageLimitExceeded,
)
from daemon.jobs.charging import Charging
from daemon.jobs.job import JobState
from daemon.store import outbox
from daemon.store.database import open_database
from daemon.store.files import Files
from tests.jobs.conftest import Bench, make_bench
from tests.jobs.test_owing import owed, told


class FakeLimits(AccountLimits):
    """Says what the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Wanted]] = []
        self.error: ProEngineError | None = None
        self.charge: Charge = "reserved"
        self.noted: list[list[tuple[str, str]]] = []  # what the store had when it was asked
        self.bench: Bench | None = None

    async def reserve(self, user: str, wanted: Wanted) -> Charge:
        assert self.bench is not None
        self.asked.append((user, wanted))
        self.noted.append(await self.bench.database.read(outbox.begun_reservations))
        if self.error is not None:
            raise self.error
        return self.charge


@pytest.fixture
def limits() -> FakeLimits:
    return FakeLimits()


@pytest.fixture
async def charged(tmp_path: Path, limits: FakeLimits) -> AsyncIterator[Bench]:
    """As `bench`, whose owners are users of a project; one job of each may be counted later."""
    database = await open_database(tmp_path / "store.db")
    files = Files(tmp_path / "cache")
    files.prepare()
    limits.bench = bench = make_bench(database, files, charging=lambda clock: Charging(database, limits, clock, 1))
    yield bench
    await database.close()


async def begun(bench: Bench) -> list[tuple[str, str]]:
    return await bench.database.read(outbox.begun_reservations)


async def test_a_job_is_charged_by_its_own_id_which_is_on_disk_before(charged: Bench, limits: FakeLimits) -> None:
    job = await charged.submit(scale=4.0)
    assert limits.asked == [("ann", Wanted(job.id, "4x", job.width * job.height))]
    assert limits.noted == [[(job.id, "ann")]]
    assert job.charge == "reserved"
    assert await begun(charged) == [], "from here on the job itself stands for the charge"
    assert await owed(charged) == []


REFUSALS = [UsageLimitExceeded("x"), NotPermitted("x"), InvalidToken("x")]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.code)
async def test_what_the_account_refuses_leaves_nothing(
    charged: Bench, limits: FakeLimits, error: ProEngineError
) -> None:
    limits.error = error
    with pytest.raises(type(error)):
        await charged.submit()
    assert await charged.ledger.page("ann", None, 9, None) == []
    assert await begun(charged) == []
    assert await owed(charged) == [], "nothing was counted, so nothing comes back"


async def test_a_picture_that_is_none_is_not_asked_about(charged: Bench, limits: FakeLimits) -> None:
    charged.intake.error = BrokenImage("x")
    with pytest.raises(BrokenImage):
        await charged.submit()
    assert limits.asked == []
    assert await begun(charged) == []
    assert await owed(charged) == []


async def test_a_charge_without_a_job_is_taken_back(
    charged: Bench, limits: FakeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[None] = []
    assert charged.submission._charging is not None
    charged.submission._charging.on_owed = lambda: woken.append(None)

    def full(*_: object) -> None:
        raise DiskFull("x")

    monkeypatch.setattr(charged.files, "keep", full)
    with pytest.raises(DiskFull):
        await charged.submit()
    assert await told(charged) == [("cancelled", True)]
    assert (await owed(charged))[0].job == limits.asked[0][1].job
    assert woken == [None]


async def test_two_requests_under_one_key_are_charged_once(charged: Bench, limits: FakeLimits) -> None:
    """Both are asked for, since neither is there when the other is looked up; the one that is too much comes back."""
    first, second = await asyncio.gather(charged.submit(key="k"), charged.submit(key="k"))
    assert first.id == second.id
    kept = {first.id}
    assert {one.job for one in await owed(charged)} == {wanted.job for _, wanted in limits.asked} - kept
    assert await begun(charged) == []


async def test_a_key_that_is_known_is_not_asked_about(charged: Bench, limits: FakeLimits) -> None:
    await charged.submit(key="k")
    await charged.submit(key="k")
    with pytest.raises(IdempotencyConflict):
        await charged.submit(b"another", key="k")
    assert len(limits.asked) == 1


async def test_a_death_in_between_is_made_good_at_the_next_start(charged: Bench, limits: FakeLimits) -> None:
    await charged.database.transact(lambda c: outbox.begin_reservation(c, "ab" * 16, "ann", 1.0))
    await charged.ledger.recover()
    assert [(one.job, one.event["refund"]) for one in await owed(charged)] == [("ab" * 16, True)]
    assert await begun(charged) == []


async def test_while_nobody_can_be_asked_so_many_jobs_as_are_set_are_counted_later(
    charged: Bench, limits: FakeLimits
) -> None:
    limits.error = AuthUnavailable("x", retry_after=1)
    first = await charged.submit()
    assert first.charge == "later"
    with pytest.raises(AuthUnavailable):
        await charged.submit(b"another")
    assert (await charged.submit(b"another", owner="bob")).charge == "later", "each user has her own"
    assert [one.job for one in await owed(charged)] == [limits.asked[1][1].job], "it may have been counted"


async def test_a_second_click_is_not_charged_while_the_first_is_at_work(charged: Bench, limits: FakeLimits) -> None:
    first = await charged.submit()
    second = await charged.submit()
    assert [wanted.job for _, wanted in limits.asked] == [first.id]
    assert second.charge == "later", "if the first comes to nothing, it is the second that is computed"
    assert (await charged.submit(scale=4.0)).charge == "reserved"
    assert (await charged.submit(owner="bob")).charge == "reserved"


async def test_a_result_that_is_there_costs_its_first_user_nothing_and_the_next_once(
    charged: Bench, limits: FakeLimits
) -> None:
    running = asyncio.create_task(charged.runner.run())
    first = await charged.submit()
    await charged.until(first)
    again = await charged.submit()
    assert (again.state, again.charge) == (JobState.DONE, "none")
    bobs = await charged.submit(owner="bob")
    assert (bobs.state, bobs.charge) == (JobState.DONE, "reserved")
    assert (await charged.submit(owner="bob")).charge == "none"
    assert [user for user, _ in limits.asked] == ["ann", "bob"]
    assert await told(charged) == [("done", False)]
    assert await told(charged, "bob") == [("done", False)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_anothers_result_is_refused_to_whom_the_limit_refuses_it(charged: Bench, limits: FakeLimits) -> None:
    running = asyncio.create_task(charged.runner.run())
    await charged.until(await charged.submit())
    limits.error = UsageLimitExceeded("x")
    with pytest.raises(UsageLimitExceeded):
        await charged.submit(owner="bob")
    assert (await charged.submit()).state is JobState.DONE, "one's own is there still"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
