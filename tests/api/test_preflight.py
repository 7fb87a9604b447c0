"""`POST /api/preflight`: what is told of a job is what then comes of it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.api.conftest import JSON, Service, png

pytestmark = pytest.mark.asyncio(loop_scope="session")
SOURCE: JSON = {"source_width": 24, "source_height": 18, "source_format": "png"}


async def preflight(service: Service, **fields: Any) -> JSON:
    status, body = await service.json("POST", "/api/preflight", json=fields)
    assert status == 200, body
    return body


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"processing_type": "highres"},
        {"scale_factor": "1.5x"},
        {"scale_factor": "3x", "format": "webp"},
        {"width": "48", "format": "jpeg"},
        {"width": "480", "height": "36"},
        {"long_edge": "100"},
        {"megapixels": "0.001728", "model": "lanczos"},
        {"scale_factor": "0.5x"},
        {"print_width_mm": "10", "dpi": "100", "sharpen": "0.5", "denoise": "0.1"},
    ],
)
async def test_what_is_told_is_what_comes_of_it(service: Service, fields: dict[str, str]) -> None:
    told = await preflight(service, **SOURCE, **fields)
    job = await service.submit(fields=fields)
    assert (told["width"], told["height"]) == (job["output_width"], job["output_height"])
    assert (told["format"], told["device"]) == (job["format"], job["device"])
    assert told["megapixels"] == job["output_width"] * job["output_height"] / 1e6


async def test_all_of_it_is_told_once_a_job_like_it_is_done(service: Service) -> None:
    await service.submit(png(300, 200), {"scale_factor": "3x", "format": "webp"})
    asked = {"source_width": 300, "source_height": 200, "source_format": "image/png", "source_alpha": False}
    told = await preflight(service, **asked, scale_factor="3x", format="webp")
    assert told["seconds"]["learned_from"] >= 1
    assert 0 < told["seconds"]["low"] <= told["seconds"]["compute"] <= told["seconds"]["high"]
    assert told["seconds"]["wait"] == 0
    assert told["result_bytes"] > 0
    assert told["tiles"] >= 1
    assert told["memory_bytes"] > 20 << 20
    assert told["cached"] is None
    assert told["quota"] == {"cost": 0, "unit": "none", "scale_factor": "4x"}


async def test_where_the_picture_stands_in_its_own_words_they_are_the_sources(service: Service) -> None:
    """`width`, `height` and `format` in place of the image, as the design has it; 2 is as good as `2x`."""
    literal = await preflight(service, width=30, height=20, format="jpeg", scale_factor=2)
    assert (literal["width"], literal["height"], literal["format"]) == (60, 40, "jpeg")
    told = await preflight(service, source_width=30, source_height=20, source_format="png", width=90, format="jpeg")
    assert (told["width"], told["height"], told["format"]) == (90, 60, "jpeg")


async def test_the_query_will_do(service: Service) -> None:
    path = "/api/preflight?source_width=24&source_height=18&source_format=png&scale_factor=4x&source_alpha=true"
    status, body = await service.json("POST", path)
    assert (status, body["width"], body["height"]) == (200, 96, 72)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "source_width"),
        ({"width": 24, "height": 18}, "source_format"),
        (SOURCE | {"source_width": 0}, "source_width"),
        (SOURCE | {"source_width": 2**31}, "source_width"),
        (SOURCE | {"source_width": 1.5}, "source_width"),
        (SOURCE | {"source_height": None}, "source_height"),
        (SOURCE | {"source_format": "x" * 65}, "source_format"),
        (SOURCE | {"scale": 2}, "scale"),
        (SOURCE | {"scale_factor": "9x"}, "0.01 to 8"),
        (SOURCE | {"format": "gif"}, "format"),
        (SOURCE | {"width": 48, "scale_factor": "2x"}, "one way"),
        ([1], "the body"),
        ("png", "the body"),
    ],
)
async def test_a_wrong_field_is_named(service: Service, fields: Any, named: str) -> None:
    status, body = await service.json("POST", "/api/preflight", json=fields)
    assert (status, body["code"]) == (400, "bad_request")
    assert named in body["message"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 10_000, b'{"source_width": NaN}'])
async def test_a_body_that_is_no_json_is_refused_in_words(service: Service, body: bytes) -> None:
    status, answer = await service.json("POST", "/api/preflight", data=body)
    assert (status, answer["code"]) == (400, "bad_request")


async def test_a_body_that_is_not_coded_as_it_says_is_refused_in_words(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(service.head("POST /api/preflight", "Content-Length: 4", "Content-Encoding: gzip") + b"none")
        assert b" 400 " in await reader.readline()


async def test_a_body_that_never_ends_is_refused(service: Service) -> None:
    status, answer = await service.json("POST", "/api/preflight", data=io.BytesIO(b" " * (2 << 20)))
    assert (status, answer["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize(
    ("picture", "fields"),
    [
        ((101, 100), {}),
        ((90, 90), {"scale_factor": "3x"}),
        ((24, 18), {"width": "24000"}),
    ],
)
async def test_what_process_would_refuse_is_refused_with_the_same_answer(
    small: Service, picture: tuple[int, int], fields: dict[str, str]
) -> None:
    source = {"source_width": picture[0], "source_height": picture[1], "source_format": "png"}
    told = await small.json("POST", "/api/preflight", json=source | fields)
    refused = await small.json("POST", "/api/process", params=fields, data=png(*picture))
    assert told == refused
    assert told[0] in {400, 422}


async def test_a_format_that_is_not_read_is_refused_with_the_same_answer(service: Service) -> None:
    told = await service.json("POST", "/api/preflight", json=SOURCE | {"source_format": "image/tga"})
    refused = await service.json("POST", "/api/process", data=png(form="tga"))
    assert told == refused
    assert told[0] == 415


async def test_while_draining_it_would_not_be_taken(service: Service) -> None:
    service.parts.submission.draining = True
    try:
        async with service.session.post("/api/preflight", json=SOURCE) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
    finally:
        service.parts.submission.draining = False


async def test_a_stranger_is_not_told(service: Service) -> None:
    async with service.stranger() as stranger, stranger.post("/api/preflight", json=SOURCE) as response:
        assert response.status == 401
