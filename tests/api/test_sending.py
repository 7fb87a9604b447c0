"""Answers that nobody reads: they end, and those that are read slowly do not."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from daemon.api import sending
from daemon.api.connection import EdgeLimits
from daemon.api.edge import EdgeRunner
from daemon.api.sending import PieceByPiece
from tests.api.conftest import PATIENCE, edge, nothing_logged

pytestmark = pytest.mark.asyncio(loop_scope="session")
SIZE = 64 << 20  # far more than what lies in the sockets' buffers
SECONDS = 0.3
LIMITS = EdgeLimits(header_seconds=9 * PATIENCE, keep_alive_seconds=9 * PATIENCE, send_seconds=SECONDS)
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Make = Callable[[Path], web.StreamResponse]


def from_memory(_: Path) -> web.StreamResponse:
    return web.Response(body=bytes(SIZE))


def from_file(path: Path) -> web.StreamResponse:
    return PieceByPiece(path, {}, SECONDS)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def sends(make: Make, path: Path) -> web.RouteDef:
    async def send(_: web.Request) -> web.StreamResponse:
        return make(path)

    return web.get("/", send)


async def connect(runner: EdgeRunner) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, runner.addresses[0])
    return client


async def read_all(client: socket.socket) -> int:
    """How many bytes come until the end."""
    loop, size = asyncio.get_running_loop(), 0
    while part := await loop.sock_recv(client, 1 << 20):
        size += len(part)
    return size


def refuse(*_: object) -> int:
    raise OSError(errno.EINVAL, "no such file can be sent so")


async def until_gone(runner: EdgeRunner) -> None:
    assert runner.server is not None
    async with asyncio.timeout(PATIENCE):
        while runner.server.connections:
            await asyncio.sleep(0)


@pytest.mark.parametrize("make", [from_memory, from_file])
@pytest.mark.parametrize("asked", [1, 3])
async def test_a_client_that_reads_nothing_is_cut_off(
    make: Make, asked: int, large: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    with nothing_logged(caplog):
        async with edge(LIMITS, sends(make, large)) as runner:
            with await connect(runner) as client:
                await loop.sock_sendall(client, GET * asked)
                assert await loop.sock_recv(client, 1)
                await until_gone(runner)
                with pytest.raises(ConnectionResetError):
                    await read_all(client)


async def test_an_answer_that_lies_there_when_its_connection_closes_is_given_up(large: Path) -> None:
    """Nobody waits for it any more, and a transport that is merely closed would keep it for ever."""

    async def send(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.set_write_buffer_limits(high=2 * SIZE)  # so that writing is never paused
        return web.Response(body=bytes(SIZE), headers={"Connection": "close"})

    async with edge(LIMITS, web.get("/", send)) as runner:
        with await connect(runner) as client:
            await asyncio.get_running_loop().sock_sendall(client, GET)
            assert await asyncio.get_running_loop().sock_recv(client, 1)
            await until_gone(runner)


@pytest.mark.parametrize("make", [from_memory, from_file])
async def test_a_client_that_reads_slowly_gets_everything(
    make: Make, large: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes several times as long as a client may take that reads nothing."""
    loop = asyncio.get_running_loop()
    with nothing_logged(caplog):
        async with edge(LIMITS, sends(make, large)) as runner:
            with await connect(runner) as client:
                await loop.sock_sendall(client, GET[:-2] + b"Connection: close\r\n\r\n")
                start, size = loop.time(), 0
                while part := await loop.sock_recv(client, 1 << 20):
                    size += len(part)
                    while loop.time() < start + 4 * SECONDS * size / SIZE:
                        await asyncio.sleep(0.001)
            assert size > SIZE
            assert loop.time() - start > 3 * SECONDS


async def test_a_file_that_is_cut_short_meanwhile_ends_the_connection(
    large: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its end could be told no other way; what came next would be read as the rest of it."""
    loop = asyncio.get_running_loop()
    with nothing_logged(caplog):
        async with edge(EdgeLimits(send_seconds=PATIENCE), sends(from_file, large)) as runner:
            with await connect(runner) as client:
                await loop.sock_sendall(client, GET * 2)
                assert await loop.sock_recv(client, 1 << 16)
                with large.open("r+b") as file:
                    file.truncate(1 << 20)
                assert await read_all(client) < SIZE // 2


@pytest.mark.parametrize("at_once", [True, False])
async def test_pieces_make_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 1500)
    monkeypatch.setattr(sending, "LEAST", 1000)
    monkeypatch.setattr(sending, "MOST", 3000)
    if not at_once:
        monkeypatch.setattr(os, "sendfile", refuse)  # what loops make of it is to read the file
    path = tmp_path / "file"
    path.write_bytes(content := bytes(range(256)) * 41)
    async with edge(EdgeLimits(), sends(from_file, path)) as runner:
        for wanted, expected in ((b"", content), (b"Range: bytes=999-3001\r\n", content[999:3002])):
            reader, writer = await asyncio.open_connection(*runner.addresses[0])
            writer.write(GET[:-2] + wanted + b"Connection: close\r\n\r\n")
            assert (await reader.read()).partition(b"\r\n\r\n")[2] == expected
            writer.close()


async def test_what_the_kernel_takes_at_once_waits_for_no_turn_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> int:
        raise AssertionError("it was waited for")

    monkeypatch.setattr(asyncio.get_running_loop(), "sendfile", never)
    path = tmp_path / "file"
    path.write_bytes(content := bytes(20_000))
    async with edge(EdgeLimits(), sends(from_file, path)) as runner:
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(GET[:-2] + b"Connection: close\r\n\r\n")
        assert (await reader.read()).partition(b"\r\n\r\n")[2] == content
        writer.close()
