"""`GET /health` tells how we are and proves that it is us."""

from __future__ import annotations

import hashlib
import hmac
import os

import pytest

from daemon.executor.executor import ExecutorStatus
from daemon.executor.messages import Rejection
from tests.api.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")
SERVICES = {
    "webgpu",
    "gpu_acceleration",
    "codecs",
    "file_manager",
    "hardware_detector",
    "cache",
    "queue",
    "supabase",
    "usage_stream",
}


async def test_it_has_the_shape_of_the_contract(service: Service) -> None:
    async with service.stranger() as stranger, stranger.get("/health") as response:
        assert response.status == 200
        body = await response.json()
    assert body["status"] == "healthy"
    assert body["port"] == service.port
    assert body["pid"] == os.getpid()
    assert set(body["services"]) == SERVICES
    assert set(body["system"]) == {"memory", "uptime", "platform", "python_version"}
    assert body["services"]["hardware_detector"]["starts"] == {"cpu": 1}
    assert body["services"]["gpu_acceleration"]["status"] == "off"
    assert "proof" not in body


async def test_the_holder_of_the_secret_can_check_the_proof(service: Service) -> None:
    secret = service.values.folders.secret.read_text().strip().encode()
    _, body = await service.json("GET", "/health?challenge=abc")
    expected = hmac.new(secret, f"challenge|abc|{os.getpid()}|{service.port}".encode(), hashlib.sha256).hexdigest()
    assert body["proof"] == expected


async def test_a_long_challenge_is_refused(service: Service) -> None:
    status, body = await service.json("GET", f"/health?challenge={'a' * 129}")
    assert (status, body["code"]) == (400, "bad_request")


async def test_a_challenge_of_odd_bytes_breaks_nothing(service: Service) -> None:
    async with service.session.get(f"http://127.0.0.1:{service.port}/health?challenge=%FF%ED%A0%80%00") as response:
        assert response.status == 200


async def test_while_draining_it_answers_503(service: Service) -> None:
    service.parts.submission.draining = True
    try:
        status, body = await service.json("GET", "/health")
    finally:
        service.parts.submission.draining = False
    assert (status, body["status"]) == (503, "draining")


@pytest.mark.parametrize(("quarantined", "status"), [(True, "degraded"), (False, "healthy")])
async def test_a_quarantined_device_degrades_and_one_not_chosen_does_not(
    service: Service, monkeypatch: pytest.MonkeyPatch, quarantined: bool, status: str
) -> None:
    """`ExecutorStatus` is what the executor says; here a GPU has been refused."""
    devices = service.parts.executor.status().devices
    rejected = [Rejection(name="Faulty 9000", reason="black pictures", quarantined=quarantined)]
    monkeypatch.setattr(service.parts.executor, "status", lambda: ExecutorStatus(devices, rejected))
    _, body = await service.json("GET", "/health")
    assert body["status"] == status
    assert body["services"]["webgpu"]["rejected"] == [rejected[0].model_dump()]


async def test_in_safe_mode_it_says_so_and_is_degraded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, before = await service.json("GET", "/health")
    assert before["safe_mode"] is False
    object.__setattr__(service.parts, "safe_mode", True)
    monkeypatch.setattr(service.parts.executor, "status", ExecutorStatus)  # while its worker starts too
    try:
        status, body = await service.json("GET", "/health")
    finally:
        object.__setattr__(service.parts, "safe_mode", False)
    assert (status, body["status"], body["safe_mode"]) == (200, "degraded", True)
    acceleration = body["services"]["gpu_acceleration"]
    assert acceleration["status"] == "off"
    assert acceleration["reason"].startswith("safe mode")


async def test_without_a_device_yet_it_is_starting(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.parts.executor, "status", ExecutorStatus)
    _, body = await service.json("GET", "/health")
    assert body["status"] == "starting"
    assert body["services"]["webgpu"]["status"] == "starting"
