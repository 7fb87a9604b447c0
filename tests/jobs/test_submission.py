from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from daemon.errors import (
    BadRequest,
    BrokenImage,
    DiskFull,
    Draining,
    IdempotencyConflict,
    ImageTooLarge,
    ProEngineError,
    QueueFull,
)
from daemon.executor.messages import Header
from daemon.jobs.job import JobState
from daemon.jobs.request import upload_path
from tests.jobs.conftest import Bench


def _left_in(bench: Bench) -> list[str]:
    return [str(path.relative_to(bench.files.root)) for path in bench.files.root.rglob("*") if path.is_file()]


async def test_what_was_taken_is_on_disk_in_the_store_and_in_the_queue(bench: Bench) -> None:
    job = await bench.submit(b"bytes")
    assert bench.files.path(upload_path(job.image_hash)).read_bytes() == b"bytes"
    assert await bench.get(job) == job
    assert await bench.queue.get() == job
    assert (job.width, job.height, job.out_width, job.out_height, job.format) == (64, 48, 128, 96, "png")
    assert _left_in(bench) == [upload_path(job.image_hash)]


def _too_large(bench: Bench) -> None:
    bench.intake.header = Header(format="PNG", width=1000, height=1000, mode="RGB", has_alpha=False)


def _too_wide(bench: Bench) -> None:
    bench.intake.header = Header(format="WEBP", width=10_000, height=1, mode="RGB", has_alpha=False)


def _broken(bench: Bench) -> None:
    bench.intake.error = BrokenImage("x")


def _draining(bench: Bench) -> None:
    bench.submission.draining = True


def _fine(bench: Bench) -> None: ...


@pytest.mark.parametrize(
    ("prepare", "spec", "error"),
    [
        (_too_large, {}, ImageTooLarge),
        (_too_wide, {}, ImageTooLarge),
        (_broken, {}, BrokenImage),
        (_draining, {}, Draining),
        (_fine, {"scale": 9.0}, BadRequest),
    ],
)
async def test_what_is_refused_leaves_nothing_behind(
    bench: Bench, prepare: Callable[[Bench], None], spec: dict[str, Any], error: type[ProEngineError]
) -> None:
    prepare(bench)
    with pytest.raises(error):
        await bench.submit(**spec)
    assert _left_in(bench) == []
    assert await bench.ledger.page("ann", None, 9, None) == []
    assert len(bench.queue) == 0


async def test_a_full_queue_takes_no_more_and_asks_for_patience(bench: Bench) -> None:
    for number in range(5):
        await bench.submit(bytes([number]))
    with pytest.raises(QueueFull) as refusal:
        await bench.submit(b"one more")
    assert refusal.value.details == {"retry_after": 5}


async def test_the_same_request_under_a_key_is_the_same_job_and_probed_once(bench: Bench) -> None:
    first, second = [await bench.submit(key="k") for _ in range(2)]
    assert first == second
    assert (bench.intake.probed, len(bench.queue)) == (1, 1)


async def test_the_same_request_at_once_is_queued_once(bench: Bench) -> None:
    found = await asyncio.gather(*(bench.submit(key="k") for _ in range(4)))
    assert len({job.id for job in found}) == 1
    assert len(bench.queue) == 1


@pytest.mark.parametrize("spec", [{"scale": 3.0}, {"priority": "batch"}])
async def test_another_wish_under_a_key_is_a_conflict(bench: Bench, spec: dict[str, Any]) -> None:
    await bench.submit(key="k")
    with pytest.raises(IdempotencyConflict):
        await bench.submit(key="k", **spec)
    with pytest.raises(IdempotencyConflict):
        await bench.submit(b"another picture", key="k")


async def test_a_key_is_its_owners(bench: Bench) -> None:
    anns, bobs = await bench.submit(key="k"), await bench.submit(b"another", key="k", owner="bob")
    assert anns.id != bobs.id


async def test_results_that_nobody_fetches_keep_new_work_out_until_they_are_fetched(running: Bench) -> None:
    running.executor.result = b"x" * 1000
    job = await running.until(await running.submit())
    with pytest.raises(DiskFull):
        await running.submit(b"other")
    assert (await running.submit()).state is JobState.DONE
    for done in await running.ledger.page("ann", None, 9, None):
        await running.ledger.fetched(done)
    assert (await running.get(job)).fetched_at is not None
    await running.submit(b"other")
