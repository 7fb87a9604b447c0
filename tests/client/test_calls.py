"""One request and one answer: against the real service, or against a fake where the route is another's."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from daemon.client import Client, calls
from daemon.errors import ImageTooLarge, NotFound
from tests.api.conftest import Service, png, stopped
from tests.client.conftest import fake_service

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_jobs_come_newest_first_over_the_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_ON_A_PAGE", 2)
    made = [(await client.submit(png(), wait=60)).id for _ in range(5)]
    found = [job.id async for job in client.jobs(limit=5)]
    assert found == made[::-1]
    assert [job.id async for job in client.jobs(limit=3)] == found[:3]
    assert [job.id async for job in client.jobs(limit=0)] == []
    every = [job async for job in client.jobs(state="done")]
    assert [job.id for job in every][:5] == found
    assert len({job.id for job in every}) == len(every)
    assert {job.state for job in every} == {"done"}


async def test_cancelling_is_idempotent(service: Service, client: Client) -> None:
    with stopped(service.worker_pid()):
        job = await client.submit(png())
        first = await client.cancel(job.id)
    ended = await client.wait_for(job.id)
    assert first.id == ended.id
    assert ended.state == "cancelled"
    assert (await client.cancel(job.id)).state == "cancelled"
    with pytest.raises(NotFound, match="unknown"):
        await client.job("unknown")


async def test_how_it_is_and_what_it_can_do(service: Service, client: Client) -> None:
    assert (await client.health())["status"] == "healthy"
    assert (await client.service_info())["name"] == "pro-engine"
    service.parts.submission.draining = True
    assert (await client.health())["status"] == "draining", "503 is an answer here, too"
    service.parts.submission.draining = False


async def test_what_other_routes_answer_is_given_as_it_is() -> None:
    seen: list[tuple[str, str, Any]] = []

    async def echo(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        seen.append((request.method, request.path, body))
        return web.json_response({"path": request.path, "later": True})

    async def nothing(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, None))
        return web.Response(status=204)

    async with fake_service(
        web.post("/api/preflight", echo),
        web.get("/api/models", echo),
        web.get("/api/cache", echo),
        web.delete("/api/cache", nothing),
        web.post("/api/queue/pause", echo),
        web.post("/api/queue/resume", nothing),
    ) as client:
        await client.preflight(64, 48, "png", scale_factor="4x", model=None)
        assert await client.models() == {"path": "/api/models", "later": True}
        await client.cache()
        assert await client.clear_cache() == {}
        await client.pause_queue()
        await client.resume_queue()
    assert seen == [
        ("POST", "/api/preflight", {"width": 64, "height": 48, "format": "png", "scale_factor": "4x"}),
        ("GET", "/api/models", None),
        ("GET", "/api/cache", None),
        ("DELETE", "/api/cache", None),
        ("POST", "/api/queue/pause", None),
        ("POST", "/api/queue/resume", None),
    ]


async def test_a_preflight_gives_the_error_that_the_picture_would() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"code": "image_too_large", "message": "too large"}, status=422)

    async with fake_service(web.post("/api/preflight", refuse)) as client:
        with pytest.raises(ImageTooLarge, match="too large"):
            await client.preflight(100_000, 100_000, "png")


async def test_fields_go_as_text(client: Client) -> None:
    assert calls.texts({"a": 1.5, "b": None, "c": True, "d": "x"}) == {"a": "1.5", "c": "true", "d": "x"}
    job = await client.submit(png(), scale_factor=3, format="webp", quality=80, keep_metadata=None)
    assert (job.output_width, job.format) == (72, "webp")
    await client.cancel(job.id)
