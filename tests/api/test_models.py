"""`GET /api/models`: what it lists is what is taken."""

from __future__ import annotations

import pytest

from tests.api.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_each_model_that_is_listed_is_taken(service: Service) -> None:
    status, body = await service.json("GET", "/api/models")
    assert status == 200
    names = [model["name"] for model in body["models"]]
    assert [model["name"] for model in body["models"] if model["default"]] == ["lanczos"]
    for model in body["models"]:
        assert (model["available"], model["reason"]) == (True, None)
        least, most = model["scale_range"]
        for scale in (least, most):
            job = await service.submit(fields={"model": model["name"], "scale_factor": f"{scale:g}x"})
            width = max(round(job["width"] * scale), 1)
            assert (job["state"], job["model"], job["output_width"]) == ("done", model["name"], width)
    _, about = await service.json("GET", "/api/service-info")
    assert about["capabilities"]["models"] == ["auto", *names]


async def test_a_stranger_is_not_told(service: Service) -> None:
    async with service.stranger() as stranger, stranger.get("/api/models") as response:
        assert response.status == 401
