"""`/api/queue`: what waits, and holding it."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from daemon.accounts.caller import Caller
from tests.api.conftest import Service, connected, png, running, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def begin(service: Service, **fields: str) -> str:
    async with service.session.post("/api/process", params=fields, data=png()) as response:
        assert response.status == 202
        return str((await response.json())["id"])


async def test_a_held_queue_takes_jobs_starts_none_and_goes_on_by_priority(service: Service) -> None:
    assert await service.json("POST", "/api/queue/pause") == (
        200,
        {"paused": True, "running": 0, "interactive": 0, "batch": 0},
    )
    batch = await begin(service, priority="batch")
    interactive = await begin(service)
    status, queue = await service.json("GET", "/api/queue")
    assert (status, queue) == (200, {"paused": True, "running": 0, "interactive": 1, "batch": 1})
    assert (await service.json("GET", "/health"))[1]["services"]["queue"]["status"] == "paused"
    async with connected(service, {"jobs": [batch, interactive]}) as socket:
        assert {job["state"] for job in (await said(socket))["jobs"]} == {"queued"}
        assert (await service.json("POST", "/api/queue/resume"))[1]["paused"] is False
        started: list[str] = []
        while len(started) < 2:
            event = await said(socket)
            started += [event["job"]] if event["event"] == "started" else []
    assert started == [interactive, batch]


async def test_pausing_twice_is_pausing_once(service: Service) -> None:
    for verb, paused in (("pause", True), ("pause", True), ("resume", False), ("resume", False)):
        assert (await service.json("POST", f"/api/queue/{verb}"))[1]["paused"] is paused
    assert (await service.submit())["state"] == "done"


async def test_a_held_queue_is_still_held_after_a_restart_and_its_jobs_wait(tmp_path: Path, kernel_cache: Path) -> None:
    async with running(tmp_path, kernel_cache) as first:
        await first.json("POST", "/api/queue/pause")
        job = await begin(first)
    async with running(tmp_path, kernel_cache) as second:
        assert (await second.json("GET", "/api/queue"))[1] == {
            "paused": True, "running": 0, "interactive": 1, "batch": 0,
        }  # fmt: skip
        assert (await second.json("GET", f"/api/jobs/{job}"))[1]["state"] == "queued"
        await second.json("POST", "/api/queue/resume")
        assert (await second.submit())["state"] == "done"


@pytest.mark.parametrize("path", ["/api/queue/pause", "/api/queue/resume"])
async def test_only_the_machines_own_token_holds_the_queue(
    service: Service, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.guard.identify", AsyncMock(return_value=Caller("http://localhost:3002")))
    status, problem = await service.json("POST", path)
    assert (status, problem["code"]) == (403, "not_permitted")
    assert (await service.json("GET", "/api/queue"))[0] == 200


async def test_a_service_can_begin_with_its_queue_held(tmp_path: Path, kernel_cache: Path) -> None:
    async with running(tmp_path, kernel_cache, start_paused=True) as service:
        assert (await service.json("GET", "/api/queue"))[1]["paused"] is True
        await service.json("POST", "/api/queue/resume")
        assert (await service.submit())["state"] == "done"
