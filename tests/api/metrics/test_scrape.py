"""`GET /metrics` of a real service."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from daemon.accounts.caller import Caller
from daemon.api import guard
from daemon.api.metrics.families import FAMILIES
from daemon.api.routes import ROUTES
from daemon.jobs.job import JobSpec, Priority
from daemon.jobs.request import Request
from tests.api.conftest import Service, connected, png, running, said
from tests.api.metrics.conftest import scrape
from tests.api.test_slow_client import burst
from tests.store.rows import new_job

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_family_of_the_table_is_there(service: Service) -> None:
    found = await scrape(service)
    assert {f"pro_engine_{family.name.removesuffix('_total')}" for family in FAMILIES} == set(found.families)


async def test_it_is_for_the_machines_own_token_alone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service.stranger() as stranger, stranger.get("/metrics") as response:
        assert response.status == 401
    monkeypatch.setattr(guard, "identify", AsyncMock(return_value=Caller("ann")))
    async with service.session.get("/metrics") as response:
        assert response.status == 403
        assert (await response.json())["code"] == "not_permitted"


async def test_a_job_shows_in_all_that_it_changes(service: Service) -> None:
    await service.parts.sweep.run()  # what others have left is not to go meanwhile
    before = await scrape(service)
    picture = png()
    await service.submit(picture)
    after = await scrape(service)

    def rise(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert rise("jobs_total", outcome="done", code="", cache="miss") == 1
    assert rise("job_seconds_count", outcome="done", cache="miss") == 1
    assert rise("job_wait_seconds_count", priority="interactive") == 1
    for stage in ("decode", "upscale", "encode"):
        assert rise("job_stage_seconds_count", stage=stage, device_kind="cpu") == 1
    assert rise("computed_pixels_total", device_kind="cpu") == 24 * 18 * 4
    assert rise("cache_misses_total") == 1
    assert rise("cache_entries") == 1
    assert rise("cache_bytes") == rise("cache_pinned_bytes") > 0
    assert rise("upload_bytes_total") == len(picture)
    assert [rise("events_published_total", event=event) for event in ("queued", "started", "done")] == [1, 1, 1]
    assert rise("http_requests_total", method="POST", route="/api/process", status="2xx") == 1
    assert rise("http_request_seconds_count", method="POST", route="/api/process") == 1
    await service.submit(picture)
    assert (await scrape(service)).value("cache_hits_total") == after.value("cache_hits_total") + 1


@contextlib.asynccontextmanager
async def waiting(service: Service, *priorities: Priority) -> AsyncIterator[None]:
    """Jobs that are committed and that no worker is given."""
    ledger, added = service.parts.ledger, []
    for priority in priorities:
        spec = JobSpec(scale=2.0, priority=priority)
        row = new_job(owner="local", created_at=service.parts.clock() - 5, spec=spec)
        added.append(await ledger.admit(row, Request("local", None, "")))
    try:
        yield
    finally:
        for job, _ in added:
            await ledger.cancel(job.id)


async def test_what_waits_is_counted_by_priority_and_by_age(service: Service) -> None:
    assert (await scrape(service)).value("queue_oldest_seconds") == 0
    async with waiting(service, "batch", "batch", "interactive"):
        found = await scrape(service)
    assert [found.value("queue_depth", priority=name) for name in ("interactive", "batch")] == [1, 2]
    assert [found.value("open_jobs", state=name) for name in ("running", "waiting", "paused")] == [0, 3, 0]
    assert found.value("queue_oldest_seconds") >= 5


async def test_jobs_that_wait_in_a_queue_that_is_paused_count_as_paused(service: Service) -> None:
    service.parts.queue.pause()
    async with waiting(service, "interactive"):
        found = await scrape(service)
    service.parts.queue.resume()
    assert [found.value("open_jobs", state=name) for name in ("running", "waiting", "paused")] == [0, 0, 1]


async def test_no_path_and_no_method_that_a_client_makes_up_becomes_a_label(service: Service) -> None:
    await service.submit()
    async with service.connection() as (reader, writer):
        for method, path in (("GET", "/a"), ("PROPFIND", "/b"), ("GET", "/api/jobs/x"), ("PUT", "/health")):
            writer.write(service.head(f"{method} {path}"))
            await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}")
    found = await scrape(service)
    routes = {route.path for route in ROUTES}
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
    for name in ("http_requests_total", "http_request_seconds_count"):
        assert {labels["route"] for labels in found.labels(name)} <= routes | {"other"}
        assert {labels["method"] for labels in found.labels(name)} <= methods
    assert found.value("http_requests_total", method="other", route="other", status="4xx") >= 1
    assert found.value("http_requests_total", method="GET", route="/api/jobs/{id}", status="4xx") >= 1


async def test_a_socket_is_counted_while_it_is_open_and_as_a_request_when_it_closes(service: Service) -> None:
    before = await scrape(service)
    async with connected(service, {"jobs": "*"}) as socket:
        await said(socket)
        during = await scrape(service)
        assert during.value("websockets") == before.value("websockets") + 1
        assert during.value("event_subscribers") == before.value("event_subscribers") + 1
        burst(service, 1500)
        while not socket.closed:
            await socket.receive()
    after = await scrape(service)
    assert after.value("subscribers_cut_total") == before.value("subscribers_cut_total") + 1
    assert after.value("websockets") == before.value("websockets")
    seconds = [found.value("http_request_seconds_count", method="GET", route="/ws") for found in (before, after)]
    assert seconds[0] == seconds[1]


async def test_memory_and_store_have_sizes(service: Service) -> None:
    found = await scrape(service)
    (worker,) = found.labels("worker_resident_bytes")
    assert worker["worker"] == "0"
    assert found.value("worker_resident_bytes", **worker) > 1 << 20
    assert found.value("daemon_resident_bytes") > 1 << 20
    assert found.value("store_bytes") >= 4096
    assert found.value("cache_bound_bytes") == service.values.cache_bytes
    assert found.value("outbox_age_seconds") == 0


async def test_what_a_device_says_of_its_memory_is_shown(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    status = service.parts.executor.status()
    gpu = status.devices[0].model_copy(update={"name": 'A "GPU"', "kind": "discrete", "memory_bytes": 8 << 30})
    changed = dataclasses.replace(status, devices=[*status.devices, gpu])
    monkeypatch.setattr(service.parts.executor, "status", lambda: changed)
    found = await scrape(service)
    backend = status.devices[0].backend
    assert found.value("device_memory_bytes", device='A "GPU"', kind="discrete", backend=backend) == 8 << 30


async def test_a_worker_that_has_just_ended_is_left_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    status = service.parts.executor.status()
    gone = [dataclasses.replace(worker, pid=2**22 + 1) for worker in status.workers]
    monkeypatch.setattr(service.parts.executor, "status", lambda: dataclasses.replace(status, workers=gone))
    assert (await scrape(service)).labels("worker_resident_bytes") == []


async def test_a_worker_that_dies_is_counted_with_its_successor(tmp_path: Path, kernel_cache: Path) -> None:
    async with running(tmp_path, kernel_cache, restarts=3) as own:
        os.kill(own.worker_pid(), signal.SIGKILL)
        await own.submit()
        found = await scrape(own)
    assert found.value("worker_crashes_total", how="signal") == 1
    assert found.value("worker_starts_total", outcome="cpu") == 2
    assert found.value("daemon_restarts_total") == 3
