"""What is not even a proper request: a problem document, a close, and no line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError

from daemon.api.connection import EdgeLimits
from daemon.api.incoming import Incoming
from tests.api.conftest import JSON, PATIENCE, Service, edge, nothing_logged, read_answers, serving, the_problem

pytestmark = pytest.mark.asyncio(loop_scope="session")
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
MALFORMED = {
    "no-http": b"hello\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "version": b"GET / HTTP/9.9\r\n\r\n",
    "version-0": b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n",
    "version-2": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "method": b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target": b"GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target-not-ascii": "GET /ä HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    "target-no-url": b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no-host": b"GET /health HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "no-colon": b"GET /health HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
    "nul": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    "folded": b"GET /health HTTP/1.1\r\nHost: localhost\r\n X: y\r\n\r\n",
    "length-no-number": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    "length-negative": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "length-huge": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
    "two-lengths": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "chunks": b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    "length-and-chunks": b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "many-headers": b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200 + b"\r\n",
}


async def refusal(service: Service, request_bytes: bytes, caplog: pytest.LogCaptureFixture) -> JSON:
    """The one answer, until the connection's end; and nothing is logged."""
    with nothing_logged(caplog):
        async with service.connection() as (reader, writer):
            writer.write(request_bytes)
            return the_problem(await reader.read())


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_http_is_a_problem_document_and_a_close_and_no_line_in_the_log(
    service: Service, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    document = await refusal(service, request_bytes, caplog)
    assert (document["status"], document["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 10_000 + b": y\r\n\r\n",
    ],
    ids=["target", "value", "name"],
)
async def test_a_line_that_is_too_long_is_a_header_too_large(
    service: Service, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    document = await refusal(service, request_bytes, caplog)
    assert (document["status"], document["code"]) == (431, "header_too_large")


async def test_answers_that_are_under_way_come_before_the_one_to_nonsense() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        entered.set()
        await release.wait()
        return web.Response()

    async with edge(EdgeLimits(), web.get("/", wait)) as runner:
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await entered.wait()
        writer.write(b"nonsense\r\n\r\n" + b"more of it " * 100_000)
        release.set()
        async with asyncio.timeout(PATIENCE):
            answers = read_answers(await reader.read())
        writer.close()
    assert [status for status, _, _ in answers] == [200, 400]


async def test_an_upload_that_breaks_off_into_nonsense_is_a_bad_request_at_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp leaves a handler that reads such a body waiting for ever."""
    with nothing_logged(caplog):
        async with service.connection() as (reader, writer):
            writer.write(service.head("POST /api/process", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
            while not service.temporary():
                await asyncio.sleep(0)
            writer.write(b"nonsense\r\n")
            document = the_problem(await reader.read())
    assert document["code"] == "bad_request"
    assert service.temporary() == []


async def test_nonsense_in_a_body_that_nobody_reads_ends_the_connection_after_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    with nothing_logged(caplog):
        async with edge(EdgeLimits(), web.post("/", answer)) as runner:
            reader, writer = await asyncio.open_connection(*runner.addresses[0])
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"nonsense\r\n")
                assert await reader.read() == b""
            writer.close()
    assert b" 200 " in head


async def test_an_error_of_a_library_below_is_malformed_http_too(service: Service) -> None:
    class Broken:
        feed_eof = message_consumed = set_upgraded = pause_reading = None

        def feed_data(self, _: bytes) -> None:
            raise ValueError("of yarl, say")

    incoming = Incoming(Broken(), BaseProtocol(asyncio.get_running_loop()), asyncio.get_running_loop())
    with pytest.raises(HttpProcessingError):
        incoming.feed_data(b"GET")
    assert incoming.feed_data(b"more") == ((), False, b"")
    assert incoming.rest is not None
    assert await incoming.rest.readany() == b"more"


def head(first: str, *lines: str) -> bytes:
    return "\r\n".join((first, "Host: localhost", *lines, "", "")).encode()


BEARER = "Authorization: Bearer TOKEN"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
SEEDS = (
    HEALTH,
    HEALTH + HEALTH,
    head("HEAD /nowhere HTTP/1.1", "Connection: keep-alive"),
    head("GET /ws HTTP/1.1", *UPGRADE, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    head("OPTIONS * HTTP/1.1", *UPGRADE) + HEALTH,
    head("CONNECT localhost:80 HTTP/1.1"),
    head("POST /api/process HTTP/1.1", BEARER, "Content-Length: 9") + b"no image!",
    head("POST /api/process HTTP/1.1", BEARER, "Transfer-Encoding: chunked") + b"3\r\nno \r\n6\r\nimage!\r\n0\r\n\r\n",
    head("POST /api/process HTTP/1.1", BEARER, "Content-Encoding: gzip", "Content-Length: 9") + b"no gzip!!",
    head(
        "POST /api/process HTTP/1.1",
        *(BEARER, "Content-Type: multipart/form-data; boundary=b", "Content-Length: 20", "Expect: 100-continue"),
    )
    + b"--b\r\nX: y\r\n\r\n--b--",
    head("DELETE /api/jobs/%00 HTTP/1.0", "Content-Length: 3") + b"abc",
)
SPICE = (
    *(b"\r\n", b"\n", b" ", b":", b"\x00", b"\xff", b"\xc3\xa4", b"[", b"%", b"//", b"-", b"\t", b"@", b"", b"9" * 30),
    *(b"HTTP/1.1", b"Host: evil\r\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: x\r\n"),
    b"x" * 9000,
)


def spoil(chance: random.Random) -> bytes:
    """A proper request with up to four places where something stands in place of some bytes."""
    spoilt = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(spoilt) + 1)
        spoilt[at : at + chance.choice((0, 0, 1, 1, 3, 20))] = chance.choice((*SPICE, chance.randbytes(2)))
    return bytes(spoilt)


async def say(service: Service, request: bytes, chance: random.Random) -> bytes:
    """What comes back until the end, for a request in two packets; of a WebSocket, its beginning."""
    cut = chance.randrange(len(request) + 1)
    came = b""
    async with service.connection() as (reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(request[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(request[cut:])
            while b" 101 Switching" not in came and (part := await reader.read(1 << 16)):
                came += part
    return came.partition(b"HTTP/1.1 101 ")[0]


@pytest.mark.parametrize("batch", range(16))
async def test_any_nonsense_is_answered_by_problem_documents_or_a_close_and_harms_nobody(
    service: Service, batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(batch)
    limits = dataclasses.replace(service.parts.limits, upload_stall_seconds=0.2)
    hasty = EdgeLimits(header_seconds=0.2, keep_alive_seconds=0.2, linger_seconds=0.2)
    requests = [spoil(chance).replace(b"TOKEN", service.token.encode()) for _ in range(40)]
    with nothing_logged(caplog):
        parts = dataclasses.replace(service.parts, limits=limits)
        async with serving(parts, service.values, hasty) as hasty_service:
            came = await asyncio.gather(*(say(hasty_service, request, chance) for request in requests))
            status, _ = await hasty_service.json("GET", "/health")
            assert status == 200
    for request, answers in zip(requests, came, strict=True):
        for status, headers, body in read_answers(answers):
            if status >= 400:
                assert headers["content-type"].startswith("application/problem+json"), request
                assert not body or json.loads(body)["status"] == status, request
    assert service.temporary() == []
