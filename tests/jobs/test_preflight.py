"""The same checks as a submission, and what is known of jobs like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from daemon.engine.footprint import footprint
from daemon.errors import BadRequest, DiskFull, Draining, ImageTooLarge, ProEngineError, QueueFull, UnsupportedFormat
from daemon.executor.executor import ExecutorStatus
from daemon.executor.formats import NO_PICTURE
from daemon.executor.messages import DeviceFacts, Header
from daemon.executor.needs import GridTiles
from daemon.jobs.cautions import cautions
from daemon.jobs.job import Job, JobSpec
from daemon.jobs.preflight import Outlook, Source
from daemon.store import jobs
from tests.jobs.conftest import SOURCES, Bench
from tests.jobs.fakes import DEVICE
from tests.jobs.synthetic import Machine, seconds

PICTURE = Source(64, 48, "png", has_alpha=False)
KNOWN = DEVICE.model_copy(update={"tiles": GridTiles(most=(256, 256), align=4), "footprint": footprint(200 << 20)})


def use(bench: Bench, monkeypatch: pytest.MonkeyPatch, *devices: DeviceFacts) -> None:
    monkeypatch.setattr(bench.executor, "status", lambda: ExecutorStatus(devices=list(devices)))


async def look(bench: Bench, source: Source = PICTURE, **spec: Any) -> Outlook:
    return await bench.preflight.look(source, JobSpec(**({"scale": 2.0} | spec)), "ann")


def codes(outlook: Outlook) -> list[str]:
    return [caution.code for caution in outlook.cautions]


async def refused(bench: Bench, source: Source, **spec: Any) -> ProEngineError:
    with pytest.raises(ProEngineError) as refusal:
        await look(bench, source, **spec)
    return refusal.value


def _draining(bench: Bench) -> None:
    bench.submission.draining = True


def _full(bench: Bench) -> None:
    for number in range(5):
        bench.queue.put(Machine(number).job())


def _nothing(bench: Bench) -> None: ...


@pytest.mark.parametrize(
    ("prepare", "source", "spec", "error"),
    [
        (_draining, PICTURE, {}, Draining),
        (_full, PICTURE, {}, QueueFull),
        (_nothing, replace(PICTURE, width=1000, height=1000), {}, ImageTooLarge),
        (_nothing, replace(PICTURE, width=700, height=700), {}, ImageTooLarge),
        (_nothing, replace(PICTURE, width=10_000, height=1, format="webp"), {}, ImageTooLarge),
        (_nothing, PICTURE, {"scale": 9.0}, BadRequest),
        (_nothing, PICTURE, {"scale": None, "long_edge": 32_000}, BadRequest),
    ],
)
async def test_what_would_be_refused_is_refused_in_the_same_words(
    bench: Bench,
    prepare: Callable[[Bench], None],
    source: Source,
    spec: dict[str, Any],
    error: type[ProEngineError],
) -> None:
    prepare(bench)
    told = await refused(bench, source, **spec)
    assert type(told) is error
    if source.width * source.height > SOURCES.max_pixels:  # what the intake says of such a header
        with pytest.raises(error) as refusal:
            SOURCES.require_size(source.width, source.height)
    else:
        form: Any = source.format.upper()
        bench.intake.header = Header(format=form, width=source.width, height=source.height, mode="RGB", has_alpha=False)
        with pytest.raises(error) as refusal:
            await bench.submit(**spec)
    assert (told.message, told.details) == (refusal.value.message, refusal.value.details)


async def test_results_that_nobody_fetches_are_said_to_keep_it_out(running: Bench) -> None:
    running.executor.result = b"x" * 1000
    await running.until(await running.submit())
    assert isinstance(await refused(running, PICTURE), DiskFull)


@pytest.mark.parametrize("name", ["png", "PNG", "image/png", "jpg", "jpeg", "image/jpeg", "webp", "image/webp"])
async def test_a_format_is_called_as_in_names_and_media_types(bench: Bench, name: str) -> None:
    told = await look(bench, replace(PICTURE, format=name))
    assert told.target.format == name.lower().removeprefix("image/").replace("jpg", "jpeg")


@pytest.mark.parametrize("name", ["tga", "", "image/", "image/svg+xml", "text/html"])
async def test_what_is_not_read_is_refused_as_its_file_would_be(bench: Bench, name: str) -> None:
    told = await refused(bench, replace(PICTURE, format=name))
    assert isinstance(told, UnsupportedFormat)
    assert told.message == NO_PICTURE


async def test_what_is_not_known_is_not_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    use(bench, monkeypatch)
    told = await look(bench)
    assert (told.target.width, told.target.height, told.target.format, told.billed) == (128, 96, "png", "2x")
    assert (told.device, told.tiles, told.memory_bytes, told.result_bytes) == (None, None, None, None)
    assert (told.wait, told.compute) == (None, None)
    assert codes(told) == ["no_device"]


async def test_a_device_that_has_done_nothing_tells_tiles_and_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(bench, monkeypatch, KNOWN)
    told = await look(bench, replace(PICTURE, width=400, height=300), scale=1.5)
    assert (told.device, told.tiles) == ("test", 3 * 2)
    assert told.memory_bytes == (200 << 20) + 400 * 300 * 10  # to decode it; to encode it takes less
    assert (told.wait, told.compute, told.result_bytes) == (0.0, None, None)
    assert codes(told) == ["nothing_learned"]


async def test_what_comes_before_and_after_the_resize_takes_tiles_and_memory_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(bench, monkeypatch, KNOWN)
    picture = replace(PICTURE, width=400, height=300)
    alone, more = [await look(bench, picture, scale=1.5, **steps) for steps in ({}, {"denoise": 0.1, "sharpen": 0.1})]
    assert (alone.tiles, more.tiles) == (3 * 2, 3 * 2 + 2 * 2 + 3 * 2)
    assert more.memory_bytes == (200 << 20) + 5 * 3 * (400 * 300 + 600 * 450)


async def test_transparency_that_is_not_known_counts_where_the_format_can_have_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(bench, monkeypatch, KNOWN)
    opaque, unknown, clear = [
        await look(bench, replace(PICTURE, has_alpha=alpha), format="webp") for alpha in (False, None, True)
    ]
    assert opaque.memory_bytes is not None
    assert unknown.memory_bytes == clear.memory_bytes
    assert (clear.memory_bytes or 0) > opaque.memory_bytes
    jpeg = replace(PICTURE, format="jpeg", has_alpha=None)
    assert (await look(bench, jpeg, format="webp")).memory_bytes == opaque.memory_bytes
    assert "transparency" in codes(await look(bench, replace(PICTURE, has_alpha=None), format="jpeg"))
    assert "transparency" not in codes(await look(bench, PICTURE, format="jpeg"))
    assert "transparency" not in codes(await look(bench, jpeg, format="jpeg"))


async def stored(bench: Bench, done: list[Job]) -> None:
    """Rows as an earlier daemon left them."""
    for number, job in enumerate(done):
        row = replace(job, finished_at=1000.0 + number)
        await bench.database.transact(lambda c, row=row: jobs.insert(c, row, None, ""))  # type: ignore[misc]


async def test_what_earlier_daemons_did_is_known(bench: Bench) -> None:
    machine = Machine(noise=0.05, most=100_000)
    await stored(bench, [machine.job(form="png") for _ in range(40)])
    for _ in range(5):
        job = machine.job(form="png")
        source = Source(job.width, job.height, "png", has_alpha=False)
        told = await look(bench, source, scale=job.spec.scale)
        assert told.compute is not None
        assert told.compute.learned_from == 40
        assert told.compute.low <= seconds(job) <= told.compute.high
        assert told.result_bytes == pytest.approx(job.result_bytes, rel=0.5)


async def test_what_is_done_now_is_known_at_once(running: Bench) -> None:
    assert (await look(running)).compute is None
    await running.until(await running.submit())
    told = await look(running)
    assert told.compute is not None
    assert told.compute.learned_from == 1
    assert told.compute.seconds == pytest.approx(0.006)
    assert told.result_bytes == len(running.executor.result)
    await running.until(await running.submit(owner="bob"))  # the cache has it, which teaches nothing
    assert ((await look(running)).compute or told.compute).learned_from == 1


async def test_the_wait_is_the_work_ahead_shared_among_workers(running: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job takes 6 ms, of which one that is half done has 3 left."""
    use(running, monkeypatch, DEVICE, DEVICE)
    await running.until(await running.submit(b"learn"))
    running.executor.gate.clear()
    running.executor.progress = [0.5]
    await running.submit(b"one")
    await running.executor.started.get()
    await running.executor.started.get()
    assert (await look(running)).wait == 0.0, "the other worker has nothing to do"
    await running.submit(b"two")
    await running.executor.started.get()
    assert (await look(running)).wait == pytest.approx((0.003 + 0.003) / 2)
    await running.submit(b"three")
    await running.submit(b"four", priority="batch")
    assert (await look(running)).wait == pytest.approx((0.003 + 0.003 + 0.006) / 2)
    assert (await look(running, priority="batch")).wait == pytest.approx((0.003 + 0.003 + 0.012) / 2)
    await running.submit(b"five", format="webp")
    assert (await look(running)).wait is None, "of that kind nothing is known"
    running.executor.gate.set()


def test_a_job_that_needs_more_memory_than_a_worker_may_take_is_said_to() -> None:
    found = cautions(device=True, compute=None, memory=3 << 30, worker_memory=2 << 30, loses_alpha=False)
    assert [caution.code for caution in found] == ["nothing_learned", "memory"]
    assert "3072 MiB" in found[1].message
    assert "2048" in found[1].message
