"""Real sockets on both sides; the daemons here are a few lines each, and wrong in one way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

import pytest

from supervisor.probe import HealthProbe, ProbeTiming

QUICK = ProbeTiming(every=0.01, deadline=5, strikes=3)
PATIENCE = 20.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Daemon:
    """Listens at a port of its own, and counts who came."""

    def __init__(self, serve: Serve, host: str = "127.0.0.1") -> None:
        self.host = host
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.serve = serve
        self._ended: set[asyncio.Event] = set()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for ended in self._ended:
            await ended.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        self._ended.add(ended)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.came.put_nowait(head.decode())
            await self.serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            ended.set()

    async def comes(self, times: int = 1) -> str:
        async with asyncio.timeout(PATIENCE):
            return [await self.came.get() for _ in range(times)][-1]


def answering(raw: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return serve


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()  # until the other side goes


OK = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


class Probing:
    def __init__(self, host: str, port: int, timing: ProbeTiming) -> None:
        self.reasons: list[str] = []
        probe = HealthProbe(host, port, timing, on_failed=self.reasons.append)
        self.task = asyncio.create_task(probe.run())

    async def fails(self) -> str:
        async with asyncio.timeout(PATIENCE):
            await self.task
        assert len(self.reasons) == 1
        return self.reasons[0]

    async def end(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def probe() -> AsyncIterator[Callable[..., Probing]]:
    started: list[Probing] = []

    def start(daemon: Daemon | int, timing: ProbeTiming = QUICK) -> Probing:
        host, port = ("127.0.0.1", daemon) if isinstance(daemon, int) else (daemon.host, daemon.port)
        started.append(Probing(host, port, timing))
        return started[-1]

    yield start
    for one in started:
        await one.end()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_asks_as_a_client_would_with_the_literal_address(host: str, probe: Callable[..., Probing]) -> None:
    async with Daemon(OK, host) as daemon:
        probe(daemon)
        head = await daemon.comes()
    shown = f"[{host}]" if ":" in host else host
    assert head.startswith("GET /health HTTP/1.1\r\n")
    assert f"\r\nHost: {shown}:{daemon.port}\r\n" in head


@pytest.mark.parametrize(("bound", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
async def test_one_that_listens_everywhere_is_asked_at_the_loopback(bound: str, asked: str) -> None:
    async with Daemon(OK, "::1" if ":" in bound else "127.0.0.1") as daemon:
        probing = Probing(bound, daemon.port, QUICK)
        assert f"\r\nHost: {asked}:{daemon.port}\r\n" in await daemon.comes()
        await probing.end()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.0 421 \r\n\r\n",
        b"HTTP/1.1 200\r\n",
    ],
)
async def test_any_status_is_an_answer(answer: bytes, probe: Callable[..., Probing]) -> None:
    async with Daemon(answering(answer)) as daemon:
        probing = probe(daemon)
        await daemon.comes(times=10)
        assert not probing.task.done()


async def test_a_status_line_is_an_answer_though_the_rest_never_comes(probe: Callable[..., Probing]) -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        await silent(reader, writer)

    async with Daemon(stuck) as daemon:
        probing = probe(daemon, ProbeTiming(every=0.01, deadline=0.5, strikes=2))
        await daemon.comes(times=4)
        assert not probing.task.done()
        await probing.end()


async def test_silence_is_told_once_after_so_many_looks(probe: Callable[..., Probing]) -> None:
    async with Daemon(silent) as daemon:
        probing = probe(daemon, ProbeTiming(every=0.01, deadline=0.1, strikes=3))
        assert await probing.fails() == "no answer to GET /health within 0.1 s, 3 times in a row"
        assert daemon.came.qsize() <= 3


async def test_a_daemon_that_no_longer_accepts_is_silent_though_the_kernel_connects(
    probe: Callable[..., Probing],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probing = probe(listener.getsockname()[1], ProbeTiming(every=0.01, deadline=0.1, strikes=3))
        assert "within 0.1 s" in await probing.fails()


async def test_a_full_backlog_is_silence_too(probe: Callable[..., Probing]) -> None:
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(3):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        assert "within 0.1 s" in await probe(address[1], ProbeTiming(every=0.01, deadline=0.1, strikes=3)).fails()


async def test_a_refused_connection_is_a_strike(probe: Callable[..., Probing]) -> None:
    with socket.socket() as bound:  # bound, but not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        reason = await probe(bound.getsockname()[1]).fails()
    assert reason == "no answer to GET /health: Connection refused, 3 times in a row"


async def test_a_reset_is_a_strike(probe: Callable[..., Probing]) -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with Daemon(reset) as daemon:
        assert "reset" in await probe(daemon).fails()


async def test_an_end_without_an_answer_is_a_strike(probe: Callable[..., Probing]) -> None:
    async with Daemon(answering(b"")) as daemon:
        assert "without an answer" in await probe(daemon).fails()


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\xff" * 100_000, b"HTTP/1.1 OK\r\n\r\n"])
async def test_garbage_is_a_strike(garbage: bytes, probe: Callable[..., Probing]) -> None:
    async with Daemon(answering(garbage)) as daemon:
        assert await probe(daemon).fails() == "an answer to GET /health that is not HTTP, 3 times in a row"


async def test_an_answer_forgives_earlier_strikes(probe: Callable[..., Probing]) -> None:
    looks = 0

    async def third_time_lucky(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looks
        looks += 1
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if looks % 3 == 0 else b"")

    async with Daemon(third_time_lucky) as daemon:
        probing = probe(daemon)
        await daemon.comes(times=12)
        assert not probing.task.done()


async def test_looks_are_so_far_apart(probe: Callable[..., Probing]) -> None:
    async with Daemon(OK) as daemon:
        began = time.monotonic()
        probe(daemon, ProbeTiming(every=0.2, deadline=0.1, strikes=3))
        await daemon.comes(times=3)
        assert time.monotonic() - began >= 0.6


async def test_looks_during_which_we_did_not_run_ourselves_do_not_strike(probe: Callable[..., Probing]) -> None:
    """The daemon answers nothing and our loop is stopped during every look, until it is not."""
    stopped = 0

    async def stop_us(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal stopped
        if stopped < 5:
            stopped += 1
            time.sleep(0.2)  # as SIGSTOP or a suspended machine would
        await silent(reader, writer)

    async with Daemon(stop_us) as daemon:
        timing = ProbeTiming(every=0.01, deadline=0.05, strikes=2, lateness=0.1)
        assert "2 times in a row" in await probe(daemon, timing).fails()
        assert daemon.came.qsize() >= 5 + 2


async def test_looks_that_take_longer_than_they_are_apart_make_no_later_one_late(
    probe: Callable[..., Probing],
) -> None:
    async with Daemon(silent) as daemon:
        timing = ProbeTiming(every=0.01, deadline=0.4, strikes=3, lateness=0.2)
        assert "3 times in a row" in await probe(daemon, timing).fails()


async def test_a_look_that_began_late_does_not_strike(probe: Callable[..., Probing]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        timing = ProbeTiming(every=0.05, deadline=0.05, strikes=1, lateness=0.1)
        probing = probe(bound.getsockname()[1], timing)
        began = time.monotonic()
        await asyncio.sleep(0)  # it plans its first look
        time.sleep(0.3)
        assert "Connection refused" in await probing.fails()
    assert time.monotonic() - began >= 0.3 + timing.every  # at the second look, not at the late first


async def test_a_shortage_of_our_own_does_not_strike(
    probe: Callable[..., Probing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no descriptor left we cannot ask, which is no fault of the daemon."""
    failed = asyncio.Queue[int]()
    real = socket.socket

    def scarce(*args: int, **kwargs: int) -> socket.socket:
        if failed.qsize() < 5:
            failed.put_nowait(1)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(*args, **kwargs)

    async with Daemon(OK) as daemon:
        monkeypatch.setattr("supervisor.probe.socket.socket", scarce)
        probing = probe(daemon, ProbeTiming(every=0.01, deadline=1, strikes=1))
        await daemon.comes()
        assert failed.qsize() == 5
        assert not probing.task.done()


async def test_it_is_cancelled_in_the_middle_of_a_look_and_keeps_no_descriptor(probe: Callable[..., Probing]) -> None:
    async with Daemon(silent) as daemon:
        probing = probe(daemon, ProbeTiming(every=0.01, deadline=30, strikes=3))
        await daemon.comes()
        probing.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probing.task
        assert not probing.reasons
    # Leaving the daemon's context waited for the end of the connection, which only we could end.
