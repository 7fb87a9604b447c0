"""`GET /api/service-info`: enough for a client that has just found us."""

from __future__ import annotations

import pytest

from tests.api.conftest import Service, png

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_anybody_may_ask(service: Service) -> None:
    async with service.stranger() as stranger, stranger.get("/api/service-info") as response:
        assert response.status == 200
        body = await response.json()
    assert (body["name"], body["status"], body["auth"], body["port"]) == (
        "pro-engine",
        "available",
        "local",
        service.port,
    )
    assert [device["kind"] for device in body["capabilities"]["devices"]] == ["cpu"]
    assert body["capabilities"]["devices"][0].keys() == {"name", "kind", "backend", "memory_bytes", "device_class"}
    assert body["capabilities"]["limits"]["upload_bytes"] == service.values.max_upload_bytes


async def test_it_promises_what_is_true(service: Service) -> None:
    """Each scale and each format that it names is taken."""
    _, body = await service.json("GET", "/api/service-info")
    able = body["capabilities"]
    for scale in able["scale_factors"]:
        assert (await service.submit(fields={"scale_factor": scale}))["state"] == "done"
    for form in able["formats_out"]:
        assert (await service.submit(fields={"format": form}))["format"] == form
    for form in set(able["formats_in"]) - {"heic"}:  # which nobody here can write; test_awkward has some
        becomes = form if form in able["formats_out"] else "png"
        assert (await service.submit(png(form=form)))["format"] == becomes
    for model in able["models"]:
        assert (await service.submit(fields={"model": model}))["state"] == "done"


async def test_it_says_when_it_drains(service: Service) -> None:
    service.parts.submission.draining = True
    try:
        _, body = await service.json("GET", "/api/service-info")
    finally:
        service.parts.submission.draining = False
    assert body["status"] == "draining"
