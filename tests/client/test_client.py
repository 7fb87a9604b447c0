"""Handing in and the whole of it: one job whatever breaks, and none that nobody wants any more."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daemon.client import Client, Patience
from daemon.errors import (
    BrokenImage,
    Cancelled,
    Draining,
    IdempotencyConflict,
    QueueFull,
    ServiceUnreachable,
    UploadTooLarge,
)
from daemon.jobs.queue import QueueBounds
from tests.api.conftest import Service, png
from tests.client.conftest import QUICK, Limit, at_random, broken_way, fake_service, one_after_the_other

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROOT = Path(__file__).parent.parent.parent
LARGE = 8_000_000  # bytes: more than the buffers on the way hold


async def test_a_picture_whose_answer_is_cut_becomes_one_job(service: Service) -> None:
    before = await service.jobs()
    async with (
        broken_way(service, one_after_the_other(Limit(1), Limit(20), Limit(200))) as way,
        Client(way.url, service.token, patience=QUICK) as client,
    ):
        job = await client.submit(png(), name="a b&c.png")
        assert way.cuts == 3
    assert set(await service.jobs()) - set(before) == {job.id}
    assert job.name == "a b&c.png"


async def test_pictures_through_a_way_that_breaks_anywhere_become_one_job_each(service: Service) -> None:
    before = await service.jobs()
    async with (
        broken_way(service, at_random(seed=5, size=1600, sent=20_000)) as way,
        Client(way.url, service.token, patience=QUICK) as client,
    ):
        made = await asyncio.gather(*(client.submit(png(60, 60)) for _ in range(12)))
        assert way.cuts > 12
    assert set(await service.jobs()) - set(before) == {job.id for job in made}
    assert len({job.id for job in made}) == 12


async def test_a_key_of_ones_own_makes_a_later_request_the_same_job(client: Client) -> None:
    picture = png()
    job = await client.submit(picture, idempotency_key="mine-7", wait=60)
    assert (await client.submit(picture, idempotency_key="mine-7")).id == job.id
    with pytest.raises(IdempotencyConflict):
        await client.submit(png(), idempotency_key="mine-7")


async def test_a_full_queue_is_told_and_waited_for_where_that_was_asked(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.parts.queue, "_bounds", QueueBounds(0, 0))
    with pytest.raises(QueueFull) as caught:
        await client.submit(png())
    assert 1 <= caught.value.details["retry_after"] <= 60
    keys: list[str] = []

    async def full_at_first(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) < 4:
            body: dict[str, Any] = {"code": "queue_full", "message": "full", "retry_after": 0.01}
            return web.json_response(body, status=429)
        return web.json_response({"id": "x", "state": "queued"}, status=202)

    async with fake_service(web.post("/api/process", full_at_first)) as patient:
        assert (await patient.submit(b"picture", patient=True)).id == "x"
    assert len(keys) == 4
    assert len(set(keys)) == 1


async def test_patience_with_a_full_queue_has_an_end() -> None:
    async def full(_request: web.Request) -> web.Response:
        return web.json_response({"code": "queue_full", "message": "full", "retry_after": 1}, status=429)

    async with fake_service(web.post("/api/process", full), patience=Patience(queue=0.5)) as client:
        with pytest.raises(QueueFull):
            await client.submit(b"picture", patient=True)


async def test_a_service_that_stops_is_waited_for(service: Service, client: Client) -> None:
    service.parts.submission.draining = True
    async with Client(client.url, service.token, patience=Patience(away=1)) as hasty:
        with pytest.raises(Draining) as caught:
            await hasty.submit(png())
    assert caught.value.details == {"status": 503, "retry_after": 2}
    submission = asyncio.create_task(client.submit(png()))
    service.parts.submission.draining = False
    assert (await submission).state in {"queued", "running", "done"}


async def test_a_refusal_before_the_end_of_an_upload_is_heard() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"code": "upload_too_large", "message": "too large"}, status=413)

    async with fake_service(web.post("/api/process", refuse)) as client:
        with pytest.raises(UploadTooLarge):
            await client.submit(bytes(LARGE))


async def test_from_picture_to_result_in_one_call(client: Client, picture: Path, tmp_path: Path) -> None:
    figures: list[float] = []
    target = tmp_path / "large.png"
    job = await client.upscale(picture, target, on_progress=figures.append, scale_factor=3)
    assert (job.state, job.cache, job.name, job.output_width) == ("done", "miss", "picture.png", 192)
    assert target.stat().st_size == job.result_bytes
    assert figures == sorted(figures)
    again = await client.upscale(picture, target, scale_factor=3)
    assert again.cache == "hit"


async def test_a_picture_that_cannot_be_enlarged_raises_its_own_error(client: Client, tmp_path: Path) -> None:
    with pytest.raises(BrokenImage):
        await client.upscale(png(64, 48)[:300], tmp_path / "x.png")
    with pytest.raises(BrokenImage, match="empty"):
        await client.upscale(b"", tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


async def test_an_interrupted_call_cancels_its_job(service: Service, client: Client, tmp_path: Path) -> None:
    going = asyncio.Event()
    picture = png(500, 500)
    call = asyncio.create_task(
        client.upscale(picture, tmp_path / "x.png", on_progress=lambda _: going.set(), scale_factor=8)
    )
    await going.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    job = await client.wait_for((await service.jobs())[0])
    assert job.state == "cancelled"
    assert list(tmp_path.iterdir()) == []


async def test_a_callback_that_raises_cancels_its_job(service: Service, client: Client, tmp_path: Path) -> None:
    def raises(_: float) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await client.upscale(png(500, 500), tmp_path / "x.png", on_progress=raises, scale_factor=8)
    assert (await client.wait_for((await service.jobs())[0])).state == "cancelled"


async def test_a_job_that_somebody_else_cancels_is_cancelled_here(
    service: Service, client: Client, tmp_path: Path
) -> None:
    going = asyncio.Event()
    call = asyncio.create_task(
        client.upscale(png(500, 500), tmp_path / "x.png", on_progress=lambda _: going.set(), scale_factor=8)
    )
    await going.wait()
    await client.cancel((await service.jobs())[0])
    with pytest.raises(Cancelled):
        await call


@pytest.mark.parametrize("whole", [True, False])
async def test_an_interrupted_upload_leaves_no_job_whether_it_was_sent_whole_or_not(
    tmp_path: Path, *, whole: bool
) -> None:
    arrived, answered = asyncio.Event(), asyncio.Event()
    taken_back: list[str] = []

    async def take(request: web.Request) -> web.Response:
        await (request.read() if whole else request.content.readany())
        arrived.set()
        await answered.wait()
        return web.json_response({"id": "x", "state": "queued"}, status=202)

    async def cancel(request: web.Request) -> web.Response:
        taken_back.append(request.match_info["id"])
        return web.json_response({"id": "x", "state": "cancelled"})

    async with fake_service(web.post("/api/process", take), web.delete("/api/jobs/{id}", cancel)) as client:
        call = asyncio.create_task(client.upscale(bytes(1000 if whole else LARGE), tmp_path / "x.png"))
        await arrived.wait()
        call.cancel()
        asyncio.get_running_loop().call_later(0.05, answered.set)
        with pytest.raises(asyncio.CancelledError):
            await call
        answered.set()
    assert taken_back == (["x"] if whole else [])


async def test_many_tasks_share_one_client(client: Client, tmp_path: Path) -> None:
    targets = [tmp_path / f"{number}.png" for number in range(8)]
    jobs = await asyncio.gather(*(client.upscale(png(), target) for target in targets))
    assert [target.stat().st_size for target in targets] == [job.result_bytes for job in jobs]


async def test_a_service_that_goes_away_for_good_is_told(service: Service, client: Client) -> None:
    job = await client.submit(png(500, 500), scale_factor=8)
    async with (
        broken_way(service, one_after_the_other()) as way,
        Client(way.url, service.token, patience=Patience(away=0.1, first=0.01)) as unlucky,
    ):
        waiting = asyncio.create_task(unlucky.wait_for(job.id))
        while not service.parts.sockets:
            await asyncio.sleep(0)
        way.limits = lambda: Limit(0)
        for request in list(service.parts.sockets.values()):
            assert request.transport is not None
            request.transport.abort()
        with pytest.raises(ServiceUnreachable):
            await waiting
    await client.cancel(job.id)


async def test_a_program_that_only_asks_loads_nothing_that_moves_pixels_or_serves() -> None:
    heavy = {"wgpu", "numpy", "PIL", "numba", "pydantic", "aiosqlite", "psutil", "rich"}
    says = f"import sys, daemon.client; print(sorted({heavy} & set(sys.modules)))"
    loaded = await asyncio.create_subprocess_exec(sys.executable, "-c", says, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert (await loaded.communicate())[0].strip() == b"[]"
