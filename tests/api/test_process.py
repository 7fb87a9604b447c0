"""`POST /api/process`: what is asked, and every way to ask wrongly."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from typing import Any

import pytest
from PIL import Image

from tests.api.conftest import Service, form, png

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("raw", [True, False])
async def test_multipart_and_raw_say_the_same(service: Service, raw: bool) -> None:
    fields = {"scale_factor": "3x", "format": "webp", "quality": "80", "keep_metadata": "none", "priority": "batch"}
    picture = png(20, 10)
    if raw:
        call: dict[str, Any] = {"data": picture, "params": fields | {"name": "holiday.png"}}
    else:
        call = {"data": form(picture, **fields)}
    async with service.session.post("/api/process", headers={"Prefer": "wait=30"}, **call) as response:
        job = await response.json()
        assert response.status == 200
        assert response.headers["Location"] == f"/api/jobs/{job['id']}"
    assert (job["name"], job["format"], job["priority"], job["model"]) == ("holiday.png", "webp", "batch", "auto")
    assert (job["width"], job["height"], job["output_width"], job["output_height"]) == (20, 10, 60, 30)


async def test_without_waiting_the_answer_is_202(service: Service) -> None:
    async with service.session.post("/api/process", data=png()) as response:
        assert response.status == 202
        job = await response.json()
    assert job["state"] in {"queued", "running"}


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (48, 36)),
        ({"processing_type": "standard"}, (48, 36)),
        ({"processing_type": "highres"}, (96, 72)),
        ({"processing_type": "ultra"}, (192, 144)),
        ({"scale_factor": "1.5x"}, (36, 27)),
        ({"scale_factor": "4"}, (96, 72)),
        ({"scale_factor": "1x"}, (24, 18)),
        ({"processing_type": "ultra", "scale_factor": "2x"}, (48, 36)),
        ({"width": "48"}, (48, 36)),
        ({"height": "36"}, (48, 36)),
        ({"width": "480", "height": "36"}, (48, 36)),
        ({"long_edge": "100"}, (100, 75)),
        ({"megapixels": "0.001728"}, (48, 36)),
        ({"scale_factor": "0.5x"}, (12, 9)),
        ({"print_width_mm": "10", "dpi": "100"}, (39, 30)),
    ],
)
async def test_each_way_to_say_how_large(service: Service, fields: dict[str, str], size: tuple[int, int]) -> None:
    job = await service.submit(fields=fields)
    assert (job["output_width"], job["output_height"]) == size


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"scale": "2"}, "scale"),
        ({"scale_factor": "0.009x"}, "0.01 to 8"),
        ({"scale_factor": "9x"}, "0.01 to 8"),
        ({"scale_factor": "two"}, "scale_factor"),
        ({"scale_factor": "2x "}, "scale_factor"),
        ({"scale_factor": "nan"}, "scale_factor"),
        ({"processing_type": "huge"}, "processing_type"),
        ({"width": "0"}, "width"),
        ({"width": "12000"}, "0.01 to 8"),
        ({"height": "x"}, "height"),
        ({"long_edge": "-5"}, "long_edge"),
        ({"megapixels": "inf"}, "megapixels"),
        ({"megapixels": "nan"}, "megapixels"),
        ({"model": "magic"}, "model"),
        ({"format": "gif"}, "format"),
        ({"quality": "0"}, "quality"),
        ({"sharpen": "1.1"}, "sharpen"),
        ({"denoise": "-0.1"}, "denoise"),
        ({"denoise": "nan"}, "denoise"),
        ({"dpi": "0"}, "dpi"),
        ({"print_width_mm": "0"}, "print_width_mm"),
        ({"print_height_mm": "inf"}, "print_height_mm"),
        ({"dpi": "300", "format": "webp"}, "dots an inch"),
        ({"print_width_mm": "10", "width": "48"}, "one way"),
        ({"quality": "101"}, "quality"),
        ({"keep_metadata": "some"}, "keep_metadata"),
        ({"priority": "now"}, "priority"),
        ({"width": "48", "long_edge": "48"}, "one way"),
        ({"width": "48", "scale_factor": "2x"}, "one way"),
        ({"megapixels": "1", "processing_type": "ultra"}, "one way"),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
async def test_a_wrong_field_is_named_and_leaves_nothing(
    service: Service, fields: dict[str, str], named: str, raw: bool
) -> None:
    before = await service.jobs()
    call: dict[str, Any] = {"data": png(), "params": fields} if raw else {"data": form(png(), **fields)}
    status, body = await service.json("POST", "/api/process", **call)
    assert (status, body["code"]) == (400, "bad_request")
    assert named in body["message"]
    assert await service.jobs() == before
    assert service.temporary() == []


async def test_one_key_is_one_job(service: Service) -> None:
    picture, headers = png(), {"Idempotency-Key": "the same", "Prefer": "wait=30"}
    _, first = await service.json("POST", "/api/process", data=picture, headers=headers)
    _, again = await service.json("POST", "/api/process", data=picture, headers=headers)
    assert first["id"] == again["id"]
    status, body = await service.json("POST", "/api/process?quality=50", data=picture, headers=headers)
    assert (status, body["code"]) == (409, "idempotency_conflict")
    status, body = await service.json("POST", "/api/process", data=png(), headers=headers)
    assert (status, body["code"]) == (409, "idempotency_conflict")
    assert service.temporary() == []


async def test_one_key_sent_many_times_at_once_is_one_job(service: Service) -> None:
    picture, headers = png(), {"Idempotency-Key": "all at once"}
    answers = await asyncio.gather(
        *(service.json("POST", "/api/process", data=picture, headers=headers) for _ in range(8))
    )
    assert len({body["id"] for _, body in answers}) == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(service: Service, key: str) -> None:
    status, body = await service.json("POST", "/api/process", data=png(), headers={"Idempotency-Key": key})
    assert (status, body["code"]) == (400, "bad_request")


async def test_a_key_of_odd_bytes_is_refused(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(service.head("POST /api/process", "Content-Length: 1", "Idempotency-Key: \xff\xfe") + b"x")
        assert b" 400 " in await reader.readline()


async def test_prefer_wait_holds_the_answer_until_the_job_is_over(service: Service) -> None:
    async with service.session.post("/api/process", data=png(), headers={"Prefer": "respond-async, wait=30"}) as reply:
        assert reply.status == 200
        assert (await reply.json())["state"] == "done"


async def test_prefer_wait_ends_with_the_job_still_running(service: Service) -> None:
    pid = service.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        async with service.session.post("/api/process", data=png(), headers={"Prefer": "wait=1"}) as response:
            assert response.status == 202
            assert (await response.json())["state"] in {"queued", "running"}
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_what_was_made_before_is_answered_at_once_with_the_same_bytes(service: Service) -> None:
    picture = png()
    first = await service.submit(picture, {"format": "webp", "name": "one.png"})
    async with service.session.post("/api/process?format=webp&name=other.png", data=picture) as response:
        assert response.status == 200
        second = await response.json()
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["id"] != second["id"]
    assert second["name"] == "other.png"
    results = []
    for job in (first, second):
        async with service.session.get(job["result_url"]) as response:
            results.append(await response.read())
    assert results[0] == results[1]


async def test_while_draining_nothing_is_taken(service: Service) -> None:
    service.parts.submission.draining = True
    try:
        async with service.session.post("/api/process", data=png()) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["code"] == "draining"
    finally:
        service.parts.submission.draining = False
    assert service.temporary() == []


async def test_a_full_queue_says_when_to_come_back(small: Service) -> None:
    pid = small.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    taken = []
    try:
        for _ in range(9):
            async with small.session.post("/api/process", data=png()) as response:
                if response.status == 429:
                    assert int(response.headers["Retry-After"]) > 0
                    assert (await response.json())["code"] == "queue_full"
                    break
                taken.append((await response.json())["id"])
        else:
            pytest.fail("nine jobs were taken in a queue of one")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert small.temporary() == [] or len(taken) == 2
    for job in taken:
        await small.json("DELETE", f"/api/jobs/{job}")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\cat.png", "cat.png"),
        ("a\u202eb\n.png", "ab.png"),
        ("...", "picture"),
        ("", "picture"),
        ("x" * 500 + ".png", "x" * 200),
        ("Привет [b].png", "Привет [b].png"),
    ],
)
async def test_a_name_is_shown_and_is_never_a_path(service: Service, name: str, shown: str) -> None:
    job = await service.submit(fields={"name": name})
    assert job["name"] == shown


async def test_a_picture_that_unpacks_without_end_is_refused_and_leaves_nothing(service: Service) -> None:
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    before = await service.jobs()
    status, body = await service.json("POST", "/api/process", data=file.getvalue())
    assert (status, body["code"]) == (422, "image_too_large")
    assert "unpacks from a file of" in body["message"]
    assert await service.jobs() == before
    assert service.temporary() == []
