"""The edge: clients that do not get on are left, what is no proper request is told so, and refusals arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from aiohttp import web

from daemon.api.connection import EdgeLimits
from daemon.api.edge import EdgeRunner
from tests.api.conftest import (
    PATIENCE,
    Service,
    connected,
    edge,
    nothing_logged,
    png,
    read_answers,
    said,
    serving,
    the_problem,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING = HEALTH[:-2] + b"Connection: close\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MEBI = 1 << 20


async def ask(runner: EdgeRunner, request: bytes) -> bytes:
    """All that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        came = await reader.read()
    writer.close()
    return came


async def until_gone(runner: EdgeRunner) -> None:
    assert runner.server is not None
    async with asyncio.timeout(PATIENCE):
        while runner.server.connections:
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def hasty(service: Service, **limits: Any) -> AsyncIterator[Service]:
    """The service behind an edge of little patience."""
    async with serving(service.parts, service.values, EdgeLimits(**limits)) as hasty_service:
        yield hasty_service


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: loc", HEALTH[:-2]])
async def test_a_head_that_does_not_come_is_a_request_timeout(service: Service, begun: bytes) -> None:
    async with hasty(service, header_seconds=0.1) as hasty_service, hasty_service.connection() as (reader, writer):
        writer.write(begun)
        document = the_problem(await reader.read())
    assert (document["status"], document["code"]) == (408, "request_timeout")


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send byte after byte, more slowly than any deadline here, until something comes back; all that comes."""
    answer = asyncio.create_task(reader.read())
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.wait([answer], timeout=0.02)
        if answer.done():
            break
    return await answer


async def test_a_head_that_trickles_in_is_a_request_timeout_on_the_first_and_on_a_later_request(
    service: Service,
) -> None:
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000
    async with hasty(service, header_seconds=0.1) as hasty_service:
        async with hasty_service.connection() as (reader, writer):
            assert the_problem(await trickle(reader, writer, endless))["code"] == "request_timeout"
        async with hasty_service.connection() as (reader, writer):
            writer.write(HEALTH)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
            assert the_problem(await trickle(reader, writer, endless))["code"] == "request_timeout"


async def test_a_head_in_pieces_that_is_whole_in_time_is_answered(service: Service) -> None:
    async with service.connection() as (reader, writer):
        for byte in CLOSING[:-1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(CLOSING[-1:])
        assert [status for status, _, _ in read_answers(await reader.read())] == [200]


async def test_a_connection_that_is_kept_alive_has_its_own_time_and_is_closed_without_a_word(service: Service) -> None:
    loop = asyncio.get_running_loop()
    async with hasty(service, header_seconds=0.05, keep_alive_seconds=0.3) as hasty_service:
        async with hasty_service.connection() as (reader, writer):
            writer.write(HEALTH)
            await reader.readuntil(b"\r\n\r\n")
            answered = loop.time()
            rest = await reader.read()
        assert loop.time() - answered > 0.2
        json.loads(rest)


async def test_deadlines_of_heads_leave_handlers_uploads_and_sockets_alone(service: Service) -> None:
    picture = png()
    async with (
        hasty(service, header_seconds=0.05, keep_alive_seconds=0.05) as hasty_service,
        connected(hasty_service, {"jobs": "*"}) as subscriber,
        hasty_service.connection() as (reader, writer),
    ):
        assert (await said(subscriber))["type"] == "snapshot"
        writer.write(service.head("POST /api/process", f"Content-Length: {len(picture)}", "Prefer: wait=30"))
        answer = asyncio.create_task(reader.readline())
        for at in range(0, len(picture), len(picture) // 10):
            writer.write(picture[at : at + len(picture) // 10])
            await asyncio.wait([answer], timeout=0.02)
        assert b" 200 " in await answer
        assert (await said(subscriber))["event"] == "queued"


def send_and_read(port: int, head: bytes, end: bytes) -> bytes:
    """As a simple client does: send a hundred MiB in full, and only then read, until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(head)
        for _ in range(100):
            client.sendall(bytes(MEBI))
        client.sendall(end)
        came = b""
        while part := client.recv(1 << 16):
            came += part
    return came


@pytest.mark.parametrize("coding", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
async def test_a_refusal_is_read_by_a_client_that_sends_a_hundred_megabytes_first(
    small: Service, coding: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Closed upon while it sends, it would find a reset."""
    stranger = f"POST /api/process HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n".encode()
    known = small.head("POST /api/process", coding)
    before, after = (b"%x\r\n" % (100 * MEBI), b"\r\n0\r\n\r\n") if "chunked" in coding else (b"", b"")
    with nothing_logged(caplog):
        for head, code in ((stranger, "access_token_required"), (known, "upload_too_large")):
            came = await asyncio.to_thread(send_and_read, small.port, head + before, after)
            assert the_problem(came)["code"] == code
            assert read_answers(came)[0][1]["connection"] == "close"
    assert small.temporary() == []


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def test_who_sends_on_for_ever_after_a_refusal_is_left(service: Service) -> None:
    head = b"POST /api/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    for limits in ({"linger_bytes": MEBI}, {"linger_seconds": 0.1}):
        async with hasty(service, **limits) as hasty_service, hasty_service.connection() as (_, writer):
            writer.write(head)
            with pytest.raises(ConnectionError):
                await send_for_ever(writer)


async def test_who_sends_nothing_more_after_a_refusal_is_left(service: Service) -> None:
    async with hasty(service, linger_seconds=0.1) as hasty_service, hasty_service.connection() as (reader, writer):
        writer.write(b"POST /api/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
        assert the_problem(await reader.read())["code"] == "access_token_required"


async def test_a_client_that_asks_first_is_refused_before_it_sends(small: Service) -> None:
    heads = [
        b"POST /api/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        small.head("POST /api/process", "Content-Length: 104857600", "Expect: 100-Continue"),
    ]
    for head, status in zip(heads, (401, 413), strict=True):
        async with small.connection() as (reader, writer):
            writer.write(head)
            assert int((await reader.readline()).split()[1]) == status
            writer.write_eof()
            await reader.read()


async def test_a_client_that_asks_first_is_invited_when_it_may_send(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(
            service.head("POST /api/process", "Content-Length: 9", "Expect: 100-continue", "Connection: close")
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"no image!")
        assert the_problem(await reader.read())["code"] == "unsupported_format"


async def test_a_body_that_nobody_asked_for_leaves_the_connection_in_step(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes(300_000) + CLOSING)
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 1


async def broken(_: web.Request) -> web.Response:
    raise RuntimeError("secret in /home/somebody/x.py")


async def nothing(_: web.Request) -> Any:
    return None


class Unsendable(web.Response):
    async def prepare(self, _: web.BaseRequest) -> Any:
        raise RuntimeError("secret")


async def unsendable(_: web.Request) -> web.Response:
    return Unsendable()


@pytest.mark.parametrize("handler", [broken, nothing, unsendable])
async def test_a_crash_that_no_middleware_sees_has_an_id_that_the_log_has(handler: Any) -> None:
    async with edge(EdgeLimits(), web.get("/", handler), bare=True) as runner:
        with structlog.testing.capture_logs() as logged:
            came = await ask(runner, GET)
    document = the_problem(came)
    assert (document["status"], document["code"]) == (500, "internal")
    assert b"secret" not in came
    assert [entry.get("error_id") for entry in logged if entry["log_level"] == "error"] == [document["error_id"]]


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("error", [RuntimeError("broken"), web.HTTPConflict(), web.HTTPInternalServerError()])
async def test_a_crash_amid_an_answer_ends_the_connection_and_adds_nothing_to_it(error: Exception, bare: bool) -> None:
    async def crash(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"first half")
        raise error

    async with edge(EdgeLimits(), web.get("/", crash), bare=bare) as runner:
        with structlog.testing.capture_logs() as logged:
            came = await ask(runner, GET)
    assert came.startswith(b"HTTP/1.1 200 OK")
    assert came.endswith(b"\r\n\r\nfirst half")
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["handler_broke"]


async def test_a_crash_after_a_head_that_is_held_back_still_ends_the_connection() -> None:
    async def crash(request: web.Request) -> web.StreamResponse:
        await web.StreamResponse().prepare(request)
        raise RuntimeError("broken")

    async with edge(EdgeLimits(), web.get("/", crash)) as runner:
        with structlog.testing.capture_logs():
            assert b"problem" not in await ask(runner, GET)
