"""Real sockets, and clients as awkward as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import outage as outage_module
from supervisor.outage import Outage, OutageReport, OutageTiming
from supervisor.outage_answer import answer

PATIENCE = 20.0
QUICK = OutageTiming(head=0.2, linger=0.5, leave=0.3, rest=0.1)
REASON = "The daemon ended six times within a minute: «exit 1»."


@dataclass
class Answer:
    status_line: str
    headers: Message
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


def parse(raw: bytes) -> Answer:
    head, end, body = raw.partition(b"\r\n\r\n")
    assert end, f"no whole answer: {raw!r}"
    status_line, _, headers = head.partition(b"\r\n")
    return Answer(status_line.decode(), BytesParser().parsebytes(headers + b"\r\n\r\n"), body)


async def talk(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    """Everything that comes back, to the end of the connection."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


async def ask(port: int, request: bytes, host: str = "127.0.0.1") -> Answer:
    return parse(await talk(port, request, host))


def answer_to(head: bytes) -> Answer:
    report = OutageReport(REASON, "e1f2", 42.5, 7)
    return parse(answer(head, report, now=0, port=3007, prove=sign))


def get(target: str = "/") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def sign(challenge: str, port: int) -> str:
    return f"{challenge} at {port}"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as sock:
        yield sock


@pytest.fixture
def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def out(
    *listeners: socket.socket,
    timing: OutageTiming = QUICK,
    prove: Callable[[str, int], str | None] = sign,
    retry_in: float = 42.5,
) -> Outage:
    retry_at = asyncio.get_running_loop().time() + retry_in
    return Outage(listeners, OutageReport(REASON, "e1f2", retry_at, 7), prove=prove, timing=timing)


@pytest.fixture
async def outage(listener: socket.socket) -> AsyncIterator[Outage]:
    async with out(listener) as entered:
        yield entered


async def test_every_request_is_a_problem_document_with_503(outage: Outage, port: int) -> None:
    found = await ask(port, get("/api/service-info"))
    assert found.status_line == "HTTP/1.1 503 Service Unavailable"
    assert found.headers["Content-Type"] == "application/problem+json"
    assert found.headers["Connection"] == "close"
    assert found.headers["Retry-After"] == "43"
    assert found.headers["Content-Length"] == str(len(found.body))
    assert found.json() == {
        "type": "about:blank",
        "title": "daemon unavailable",
        "status": 503,
        "detail": REASON,
        "message": REASON,
        "code": "daemon_unavailable",
        "error_id": "e1f2",
        "retry_after": 43,
    }


@pytest.mark.parametrize("retry_in", [-100.0, 0.0, 0.3, 1.0])
async def test_retry_after_is_a_whole_second_at_least(listener: socket.socket, port: int, retry_in: float) -> None:
    async with out(listener, retry_in=retry_in):
        assert (await ask(port, get())).headers["Retry-After"] == "1"


async def test_a_report_may_be_replaced_meanwhile(outage: Outage, port: int) -> None:
    outage.report = OutageReport("Now it starts.", "e2", 0, 8)
    assert (await ask(port, get())).json()["message"] == "Now it starts."


@pytest.mark.parametrize("target", ["/health", "/health?x=1", "http://127.0.0.1:3007/health"])
async def test_health_tells_why_and_when(outage: Outage, port: int, target: str) -> None:
    found = await ask(port, get(target))
    assert found.status_line == "HTTP/1.1 503 Service Unavailable"
    assert found.headers["Content-Type"] == "application/json"
    assert found.headers["Retry-After"] == "43"
    body = found.json()
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "status": "degraded",
        "reason": REASON,
        "retry_after": 43,
        "error_id": "e1f2",
        "restarts": 7,
        "pid": os.getpid(),
        "port": port,
        "services": {},
        "system": {},
    }


async def test_health_answers_a_challenge_so_that_clients_know_us_though_the_daemon_is_gone(
    outage: Outage, port: int
) -> None:
    found = await ask(port, get("/health?a=b&challenge=who%20are%20you"))
    assert found.json()["proof"] == f"who are you at {port}"


async def test_without_a_secret_there_is_no_proof(listener: socket.socket, port: int) -> None:
    async with out(listener, prove=lambda _challenge, _port: None):
        assert "proof" not in (await ask(port, get("/health?challenge=x"))).json()


async def test_a_challenge_longer_than_the_daemon_takes_is_not_signed(outage: Outage, port: int) -> None:
    assert "proof" in (await ask(port, get(f"/health?challenge={'x' * 128}"))).json()
    assert "proof" not in (await ask(port, get(f"/health?challenge={'x' * 129}"))).json()


async def test_only_health_proves_anything(outage: Outage, port: int) -> None:
    assert "proof" not in (await ask(port, get("/?challenge=x"))).json()
    assert "proof" not in (await ask(port, b"POST /health?challenge=x HTTP/1.1\r\n\r\n")).json()


@pytest.mark.parametrize("target", ["/", "/health"])
async def test_head_gets_the_headers_of_get_alone(outage: Outage, port: int, target: str) -> None:
    got, head = await ask(port, get(target)), await ask(port, get(target).replace(b"GET", b"HEAD"))
    assert head.body == b""
    assert head.status_line == got.status_line
    assert head.headers.items() == got.headers.items()


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /api/process HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /api/process HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe?challenge=%ff%fe HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"G \r\n\r\n",
        b"GET " + b"/" * 16_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_whatever_has_a_head_gets_the_same_answer(outage: Outage, port: int, request_: bytes) -> None:
    assert (await ask(port, request_)).json()["code"] == "daemon_unavailable"


HEADS = st.binary(max_size=200) | st.text(max_size=100).map(
    lambda target: f"GET /health?challenge={target} HTTP/1.1\r\nHost: x".encode()
)


@given(HEADS)
def test_no_head_is_too_strange_for_a_whole_answer(head: bytes) -> None:
    found = answer_to(head)
    assert found.status_line == "HTTP/1.1 503 Service Unavailable"
    assert found.json()["error_id"] == "e1f2"
    assert found.headers["Content-Length"] == str(len(found.body))


@given(st.text(min_size=1, max_size=128))
def test_any_challenge_is_signed_as_it_was_meant(challenge: str) -> None:
    head = f"GET /health?{urlencode({'challenge': challenge}, errors='replace')} HTTP/1.1".encode()
    expected = challenge.encode("utf-8", "replace").decode()
    assert answer_to(head).json()["proof"] == f"{expected} at 3007"


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_head_may_arrive_in_pieces(outage: Outage, port: int, pieces: int) -> None:
    request = get("/health")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for begin in range(0, len(request), pieces):
        writer.write(request[begin : begin + pieces])
        await asyncio.sleep(0)
    assert parse(await reader.read()).json()["status"] == "degraded"
    writer.close()


async def test_pipelined_requests_get_one_answer_and_the_end(outage: Outage, port: int) -> None:
    raw = await talk(port, get() * 10)
    assert raw.count(b"HTTP/1.1 503") == 1


async def test_the_end_comes_after_the_answer_though_the_client_would_keep_the_connection(
    outage: Outage, port: int
) -> None:
    await ask(port, b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")


async def test_a_client_that_waits_for_100_continue_gets_the_503_at_once(outage: Outage, port: int) -> None:
    raw = await talk(port, b"POST / HTTP/1.1\r\nContent-Length: 50000000\r\nExpect: 100-continue\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 503")


async def test_a_client_that_says_no_more_gets_its_answer(outage: Outage, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get())
    writer.write_eof()
    assert parse(await reader.read()).json()["status"] == 503
    writer.close()


def upload(port: int, size: int) -> bytes:
    """As a simple client does: all of the body, then the answer. A reset in between is an error here."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(f"POST /api/process HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        sock.sendall(bytes(size))
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
        return received


async def test_a_client_in_the_middle_of_50_megabytes_gets_the_answer_and_no_reset(
    listener: socket.socket, port: int
) -> None:
    async with out(listener, timing=OutageTiming(linger=PATIENCE)):
        raw = await asyncio.to_thread(upload, port, 50_000_000)
    assert parse(raw).json()["code"] == "daemon_unavailable"


async def test_others_are_answered_while_uploads_are_thrown_away(listener: socket.socket, port: int) -> None:
    stop = threading.Event()

    def upload_without_end() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock, contextlib.suppress(OSError):
            sock.sendall(b"POST / HTTP/1.1\r\n\r\n")
            while not stop.is_set():
                sock.sendall(bytes(1 << 20))

    async with out(listener, timing=OutageTiming(linger=PATIENCE)):
        threads = [threading.Thread(target=upload_without_end) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                await ask(port, get())
        finally:
            stop.set()
            await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))


async def test_throwing_away_what_has_come_already_leaves_the_loop_its_turns(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_module, "READ_SIZE", 1)
    loop, turns = asyncio.get_running_loop(), 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        counting[0] = loop.call_soon(turn)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(bytes(1000))
        theirs.close()
        counting = [loop.call_soon(turn)]
        await outage._discard(ours)
        counting[0].cancel()
    assert turns >= 1000


async def test_a_client_that_sends_without_end_is_closed_after_the_linger_time(outage: Outage, port: int) -> None:
    def upload_without_end() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\n\r\n")
            while True:
                sock.sendall(bytes(1 << 16))

    began = time.monotonic()
    with pytest.raises(ConnectionError):
        await asyncio.to_thread(upload_without_end)
    assert time.monotonic() - began >= QUICK.linger


async def test_a_client_that_never_closes_is_closed_after_the_linger_time(outage: Outage, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get())
    parse(await reader.read())
    await until(lambda: not outage._serving)
    writer.close()


@pytest.mark.parametrize("first", [b"", b"G", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_one_that_does_not_say_what_it_wants_is_closed_after_the_deadline(
    outage: Outage, port: int, first: bytes
) -> None:
    began = time.monotonic()
    assert await talk(port, first) == b""
    assert time.monotonic() - began >= QUICK.head


async def test_one_byte_at_a_time_does_not_stretch_the_deadline(outage: Outage, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drip() -> None:
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(b"z")
                await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
    writer.close()
    await dripping


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 17_000 + b"\r\n\r\n",
        b"\r\n" * 100_000,
        b"a" * 16_385,
    ],
)
async def test_a_head_that_is_too_long_is_closed_at_its_limit(
    listener: socket.socket, port: int, endless: bytes
) -> None:
    async with out(listener, timing=OutageTiming(head=1000)):
        with contextlib.suppress(ConnectionError):
            assert await talk(port, endless) == b""


async def test_one_that_speaks_tls_is_closed_at_once(listener: socket.socket, port: int) -> None:
    """A browser that tries https first falls back without waiting for the deadline."""
    context = ssl.create_default_context()
    async with out(listener, timing=OutageTiming(head=1000)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with asyncio.timeout(PATIENCE):
                await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def test_300_clients_at_once_are_all_answered(listener: socket.socket, port: int) -> None:
    """With the deadlines of life: clients and outage share a loop here, and a stall of it is longer than quick ones."""
    async with out(listener, timing=OutageTiming()):
        answers = await asyncio.gather(*(ask(port, get(f"/{number}")) for number in range(300)))
    assert {found.json()["error_id"] for found in answers} == {"e1f2"}


async def test_beyond_the_most_connections_clients_wait_in_the_backlog(
    listener: socket.socket, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_module, "MOST_CONNECTIONS", 8)
    async with out(listener, timing=OutageTiming(head=1000)) as entered:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        await until(lambda: len(entered._serving) == 8)
        waiting = asyncio.create_task(ask(port, get()))
        assert not entered._accepting
        assert not waiting.done()
        silent[0][1].close()
        assert (await waiting).json()["status"] == 503
        for _, writer in silent[1:]:
            writer.close()


async def test_clients_that_go_away_in_any_state_leave_nothing_behind(outage: Outage, port: int) -> None:
    for first in (b"", b"GET /", get(), b"POST / HTTP/1.1\r\n\r\n" + bytes(100_000)):
        for reset in (False, True):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            if reset:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
    await ask(port, get())
    await until(lambda: not outage._serving)


async def accept(listener: socket.socket) -> socket.socket:
    """As the next daemon does."""
    async with asyncio.timeout(PATIENCE):
        sock, _ = await asyncio.get_running_loop().sock_accept(listener)
        return sock


async def test_who_connects_after_the_end_waits_for_the_next_who_accepts(listener: socket.socket, port: int) -> None:
    async with out(listener):
        await ask(port, get())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"for the next daemon\n")
    with await accept(listener) as sock:
        assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"for the next daemon\n"
        await asyncio.get_running_loop().sock_sendall(sock, b"served\n")
    assert await reader.read() == b"served\n"
    writer.close()


async def test_who_waits_in_the_backlog_at_the_end_is_served_by_the_next_who_accepts(
    listener: socket.socket, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_module, "MOST_CONNECTIONS", 1)
    async with out(listener, timing=OutageTiming(head=1000, leave=0.01)) as entered:
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(entered._serving) == 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with await accept(listener) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, b"served\n")
    assert await reader.read() == b"served\n"
    writer.close()
    silent.close()


async def test_an_outage_may_follow_another_on_the_same_listener(listener: socket.socket, port: int) -> None:
    for _ in range(3):
        async with out(listener):
            assert (await ask(port, get())).json()["status"] == 503
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


async def test_those_accepted_before_the_end_get_their_answer(listener: socket.socket, port: int) -> None:
    async with out(listener, timing=OutageTiming(leave=PATIENCE)) as entered:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(entered._serving) == 1)

        async def ask_when_it_leaves() -> bytes:
            await until(lambda: entered._leaving)
            writer.write(get())
            received = await reader.read()
            writer.close()
            return received

        asking = asyncio.create_task(ask_when_it_leaves())
    assert parse(await asking).json()["status"] == 503


async def test_the_end_does_not_wait_long_for_one_that_says_nothing(listener: socket.socket, port: int) -> None:
    entered = out(listener, timing=OutageTiming(head=1000, leave=0.1))
    async with asyncio.timeout(PATIENCE):
        async with entered:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: len(entered._serving) == 1)
        assert await reader.read() == b""
    assert not entered._serving
    writer.close()


async def test_an_end_with_nobody_there_is_at_once(listener: socket.socket) -> None:
    async with asyncio.timeout(PATIENCE):
        async with out(listener, timing=OutageTiming(leave=1000)):
            pass


async def test_a_cancelled_end_still_closes_what_was_accepted(listener: socket.socket, port: int) -> None:
    entered = out(listener, timing=OutageTiming(head=1000, leave=1000))
    leave = asyncio.Event()

    async def enter() -> None:
        async with entered:
            await leave.wait()

    task = asyncio.create_task(enter())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: len(entered._serving) == 1)
    leave.set()
    await until(lambda: entered._leaving)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.read() == b""
    writer.close()


async def test_two_listeners_and_ipv6(listener: socket.socket, port: int) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        other_port = other.getsockname()[1]
        async with out(listener, other):
            assert (await ask(port, get("/health"))).json()["port"] == port
            body = (await ask(other_port, get("/health?challenge=x"), "::1")).json()
    assert body["port"] == other_port
    assert body["proof"] == f"x at {other_port}"


async def test_a_connection_that_another_process_accepted_first_is_no_trouble(
    listener: socket.socket, port: int
) -> None:
    """A standby may accept on the same socket while we still do: we were told of a connection that is gone then."""
    async with out(listener) as entered:
        entered._accept(listener)  # nobody is there
        assert (await ask(port, get())).json()["status"] == 503


@asynccontextmanager
async def no_descriptor_left() -> AsyncIterator[Callable[[], None]]:
    """Take every descriptor; gives what lets go of them all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []

    def let_go() -> None:
        while taken:
            os.close(taken.pop())

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield let_go
    finally:
        let_go()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_a_descriptor_it_rests_instead_of_spinning_and_then_goes_on(
    listener: socket.socket, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepts = 0
    real = Outage._accept

    def counting(self: Outage, sock: socket.socket) -> None:
        nonlocal accepts
        accepts += 1
        real(self, sock)

    monkeypatch.setattr(Outage, "_accept", counting)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        async with out(listener, timing=OutageTiming(rest=0.1)), no_descriptor_left() as let_go:
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, get())
            began = time.monotonic()
            await until(lambda: accepts >= 3)
            assert time.monotonic() - began >= 0.2  # each after a rest
            let_go()
            async with asyncio.timeout(PATIENCE):
                assert (await loop.sock_recv(client, 65536)).startswith(b"HTTP/1.1 503")
            client.close()


async def test_the_end_may_come_while_it_rests(listener: socket.socket, port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        async with no_descriptor_left(), out(listener, timing=OutageTiming(rest=1000)) as entered:
            await loop.sock_connect(client, ("127.0.0.1", port))
            await until(lambda: entered._resting is not None)
        assert entered._resting
        assert entered._resting.cancelled()
        assert not entered._accepting
        with await accept(listener):
            pass
