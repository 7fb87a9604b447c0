"""Uploads that are broken, hostile or cut off: the right code each, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import threading
import zlib
from collections.abc import AsyncIterator

import pytest
import structlog

from daemon.api.landing import _Landing
from tests.api.conftest import PATIENCE, Service, form, nothing_logged, png, serving, the_problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


def huge_by_header() -> bytes:
    """A PNG of 24 x 18 whose header speaks of 100 000 x 100 000."""
    picture = bytearray(png())
    picture[16:24] = (100_000).to_bytes(4) * 2
    picture[29:33] = zlib.crc32(picture[12:29]).to_bytes(4)
    return bytes(picture)


@pytest.mark.parametrize(
    ("picture", "status", "code"),
    [
        (b"", 422, "broken_image"),
        (b"<html><body>404</body></html>", 415, "unsupported_format"),
        (b"GIF89a" + bytes(100), 415, "unsupported_format"),
        (png()[:300], 422, "broken_image"),
        (png(form="jpeg")[:-2], 422, "broken_image"),
        (png(form="webp")[:-9], 422, "broken_image"),
        (huge_by_header(), 422, "image_too_large"),
        (b"\x89PNG\r\n\x1a\n", 415, "unsupported_format"),
        (b"\xff\xd8\xff", 415, "unsupported_format"),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
async def test_what_is_no_good_picture_is_refused_and_leaves_nothing(
    service: Service, picture: bytes, status: int, code: str, raw: bool
) -> None:
    before = await service.jobs()
    data = picture if raw else form(picture)
    got, body = await service.json("POST", "/api/process", data=data)
    assert (got, body["code"]) == (status, code)
    assert str(service.values.folders.cache) not in str(body)
    assert await service.jobs() == before
    assert service.temporary() == []


@pytest.mark.parametrize("raw", [True, False])
async def test_more_bytes_than_allowed_are_refused(small: Service, raw: bool) -> None:
    data = bytes(200_000) if raw else form(bytes(200_000))
    status, body = await small.json("POST", "/api/process", data=data)
    assert (status, body["code"]) == (413, "upload_too_large")
    assert small.temporary() == []


async def test_an_announced_size_is_refused_before_it_is_sent(small: Service) -> None:
    async with small.connection() as (reader, writer):
        writer.write(small.head("POST /api/process", "Content-Length: 99999999999"))
        assert b" 413 " in await reader.readline()


async def test_a_compressed_body_is_measured_as_it_unpacks(small: Service) -> None:
    headers = {"Content-Encoding": "deflate"}
    bomb = zlib.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    status, body = await small.json("POST", "/api/process", data=bomb, headers=headers)
    assert (status, body["code"]) == (413, "upload_too_large")
    assert small.temporary() == []


async def test_a_picture_of_too_many_pixels_or_with_too_large_a_result_is_refused(small: Service) -> None:
    status, body = await small.json("POST", "/api/process", data=png(101, 100))
    assert (status, body["code"]) == (422, "image_too_large")
    status, body = await small.json("POST", "/api/process?scale_factor=8x", data=png(99, 100))
    assert (status, body["code"]) == (422, "image_too_large")
    assert small.temporary() == []


BOUNDARY = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"whatever"),
        (BOUNDARY, b""),
        (BOUNDARY, b"no boundary here at all"),
        (BOUNDARY, b"--b--\r\n"),
        (BOUNDARY, PART % (b"quality", b"90") + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png()) + PART % (b"image", png()) + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png()) + PART % (b"quality", b"\xff\xfe") + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png()) + PART % (b"quality", b"9" * 2000) + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png()) + b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (BOUNDARY, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--"),
        (BOUNDARY, b"".join(PART % (b"f%d" % i, b"") for i in range(60)) + PART % (b"image", png()) + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png()) + PART % (b"\xff", b"x") + b"--b--\r\n"),
        (BOUNDARY, PART % (b"image", png())),
        (BOUNDARY, b"--b\r\n" + b"X" * 100_000),
    ],
    ids=["no-boundary", "empty", "garbage", "no-parts", "no-image", "two-images", "not-utf8", "long-field", "nameless",
         "nested", "many-fields", "name-not-utf8", "unfinished", "endless-header"],
)  # fmt: skip
async def test_a_broken_form_is_a_bad_request_and_leaves_nothing(service: Service, kind: str, body: bytes) -> None:
    before = await service.jobs()
    status, answer = await service.json("POST", "/api/process", data=body, headers={"Content-Type": kind})
    assert (status, answer["code"]) == (400, "bad_request")
    assert await service.jobs() == before
    assert service.temporary() == []


@pytest.mark.parametrize(
    ("query", "fields"), [("", ["2x", "4x"]), ("?scale_factor=3x", ["2x"])], ids=["in the form", "in form and query"]
)
async def test_a_field_that_comes_twice_is_refused_and_leaves_nothing(
    service: Service, query: str, fields: list[str]
) -> None:
    data = form(png())
    for value in fields:
        data.add_field("scale_factor", value)
    status, answer = await service.json("POST", f"/api/process{query}", data=data)
    assert (status, answer["code"], answer["fields"]) == (400, "bad_request", ["scale_factor"])
    assert service.temporary() == []


async def test_a_form_of_several_megabytes_arrives_whole(service: Service) -> None:
    """aiohttp bounds forms at 1 MiB where it is not told otherwise."""
    picture = png(1100, 1000)
    assert len(picture) > 3 << 20
    async with service.session.post("/api/process", data=form(picture, scale_factor="1x")) as response:
        assert response.status == 202
        job = await response.json()
    async with service.session.delete(f"/api/jobs/{job['id']}") as response:
        assert response.status in {200, 202}
    assert (await service.parts.ledger.get(job["id"], "local")).image_hash == hashlib.sha256(picture).hexdigest()


async def break_off(service: Service, headers: tuple[str, ...], body: bytes) -> None:
    """Send the beginning of a request, and hang up once the service is writing it down."""
    async with service.connection() as (_, writer):
        writer.write(service.head("POST /api/process", *headers) + body)
        while not service.temporary():
            await asyncio.sleep(0)
        writer.transport.abort()
        while service.temporary():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 5000000",), png()),
        (("Transfer-Encoding: chunked",), b"5\r\nhello\r\n"),
        (("Content-Length: 5000000", f"Content-Type: {BOUNDARY}"), (PART % (b"image", png()))[:-20]),
    ],
    ids=["raw", "chunked", "multipart"],
)
async def test_a_client_that_hangs_up_leaves_nothing_and_is_no_error_of_ours(
    service: Service, headers: tuple[str, ...], body: bytes
) -> None:
    before = await service.jobs()
    with structlog.testing.capture_logs() as logged:
        await break_off(service, headers, body)
        assert await service.jobs() == before
    assert [entry for entry in logged if entry["log_level"] in {"error", "critical"}] == []


async def test_a_body_that_breaks_its_own_encoding_is_a_bad_request(service: Service) -> None:
    async with service.connection() as (reader, writer):
        head = service.head("POST /api/process", "Transfer-Encoding: chunked")
        writer.write(head + b"5\r\nhello\r\nnonsense\r\n")
        assert b" 400 " in await reader.readline()
    assert service.temporary() == []


@contextlib.asynccontextmanager
async def hasty(service: Service, seconds: float) -> AsyncIterator[Service]:
    """The service, where an upload may stall for so long."""
    limits = dataclasses.replace(service.parts.limits, upload_stall_seconds=seconds)
    async with serving(dataclasses.replace(service.parts, limits=limits), service.values) as hasty_service:
        yield hasty_service


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 5000000",), b""),
        (("Content-Length: 5000000",), bytes(100_000)),
        (("Transfer-Encoding: chunked",), b"5\r\nhello\r\n"),
        (("Content-Length: 5000000", f"Content-Type: {BOUNDARY}"), b""),
        (("Content-Length: 5000000", f"Content-Type: {BOUNDARY}"), (PART % (b"image", png()))[:-20]),
        (("Content-Length: 5000000", f"Content-Type: {BOUNDARY}"), PART % (b"image", png())),
    ],
    ids=["nothing", "raw", "chunked", "multipart-nothing", "multipart", "multipart-between-parts"],
)
async def test_an_upload_that_stops_is_ended_and_leaves_nothing(
    service: Service, headers: tuple[str, ...], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = await service.jobs()
    with nothing_logged(caplog):
        async with hasty(service, 0.2) as hasty_service, hasty_service.connection() as (reader, writer):
            writer.write(hasty_service.head("POST /api/process", *headers) + body)
            document = the_problem(await reader.read())
    assert (document["status"], document["code"]) == (408, "upload_stalled")
    assert service.temporary() == []
    assert await service.jobs() == before


async def test_an_upload_that_trickles_is_ended(service: Service) -> None:
    async with hasty(service, 0.2) as hasty_service, hasty_service.connection() as (reader, writer):
        writer.write(hasty_service.head("POST /api/process", "Content-Length: 5000000"))
        answer = asyncio.create_task(reader.read())
        while not answer.done():
            writer.write(b"x")
            await asyncio.wait([answer], timeout=0.02)
        assert the_problem(await answer)["code"] == "upload_stalled"
    assert service.temporary() == []


async def test_an_upload_that_is_slow_but_gets_on_is_taken(service: Service) -> None:
    """It takes several times as long as one may take that stops."""
    picture = png(300, 300)
    pieces = range(0, len(picture), 20_000)
    assert len(pieces) > 10
    async with hasty(service, 0.2) as hasty_service, hasty_service.connection() as (reader, writer):
        writer.write(
            hasty_service.head(
                "POST /api/process?scale_factor=1x",
                *(f"Content-Length: {len(picture)}", "Connection: close", "Prefer: wait=30"),
            )
        )
        answer = asyncio.create_task(reader.read())
        for at in pieces:
            writer.write(picture[at : at + 20_000])
            await asyncio.wait([answer], timeout=0.05)
        assert b" 200 " in (await answer).partition(b"\r\n")[0]


async def test_a_disk_that_is_slow_is_not_the_senders_fault(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    opened = _Landing.open
    monkeypatch.setattr(_Landing, "open", lambda landing: held.wait(PATIENCE) and opened(landing))
    async with hasty(service, 0.1) as hasty_service:
        asyncio.get_running_loop().call_later(0.4, held.set)
        await hasty_service.submit()
