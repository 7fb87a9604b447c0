"""Who answers where `localhost` may lead as well is found, and is never ourselves."""

from __future__ import annotations

import asyncio
import os
import socket
from random import Random

import pytest

from supervisor.port_holder import PortHolder
from supervisor.socket import open_listener
from supervisor.squatters import CONNECT_SECONDS, find_squatters
from tests.supervisor.conftest import free_port
from tests.supervisor.decoys import decoy

pytestmark = pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")


def listen(host: str, port: int, *, both: bool = False) -> socket.socket:
    return socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, dualstack_ipv6=both
    )


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.parametrize(("ours", "theirs"), [
    ("127.0.0.1", "::1"),
    ("127.0.0.1", "::"),
    ("0.0.0.0", "::1"),
    ("::1", "127.0.0.1"),
    ("::1", "0.0.0.0"),
    ("::", "127.0.0.1"),
])  # fmt: skip
async def test_a_stranger_at_the_other_loopback_address_is_found(ours: str, theirs: str, port: int) -> None:
    with decoy("--listen", f"{theirs}:{port}") as stranger, listen(ours, port) as sock:
        (found,) = await find_squatters(sock)
        assert found.pid == stranger.pid
        assert stranger.alive


@pytest.mark.parametrize("ours", ["127.0.0.1", "::1", "0.0.0.0", "::"])
async def test_where_nobody_is_nobody_is_found_and_nobody_asked_for(ours: str, port: int) -> None:
    with listen(ours, port) as sock:
        found = await find_squatters(sock, find_holders=lambda *_: pytest.fail("looked for processes"))
        assert found == ()


async def test_our_own_socket_for_both_is_no_stranger(port: int) -> None:
    with listen("::", port, both=True) as sock:
        assert await find_squatters(sock) == ()


@pytest.mark.parametrize("extra", ["::1", "::"])
async def test_our_own_extra_socket_is_no_stranger(extra: str, port: int) -> None:
    with listen("127.0.0.1", port) as sock, listen(extra, port) as other:
        assert await find_squatters(sock, (other,)) == ()
        assert await find_squatters(sock) == ()  # not even where we forgot that we have it


async def test_on_an_address_of_the_network_it_is_no_question(port: int) -> None:
    with listen("127.0.0.1", port), listen("127.0.0.2", port) as sock:
        assert await find_squatters(sock) == ()


async def test_a_stranger_who_does_not_accept_is_found(port: int) -> None:
    """Its queue is full: the connection hangs, where a closed port would refuse it."""
    with listen("127.0.0.1", port) as sock, socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", port))
        server.listen(0)
        waiting = [asyncio.create_task(asyncio.open_connection("::1", port)) for _ in range(4)]
        await asyncio.wait(waiting, timeout=CONNECT_SECONDS)
        unknown = await find_squatters(sock, find_holders=lambda host, _: (PortHolder(host, user="www"),))
        assert unknown == (PortHolder("::1", user="www"),)
        for task in waiting:
            task.cancel()
        for ended in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(ended, tuple):
                ended[1].close()
                await ended[1].wait_closed()


async def test_one_that_answers_but_cannot_be_named_is_told_all_the_same(port: int) -> None:
    with listen("127.0.0.1", port) as sock, listen("::1", port):
        assert await find_squatters(sock, find_holders=lambda *_: ()) == (PortHolder("::1"),)
        ourselves = PortHolder("::1", pid=os.getpid())
        assert await find_squatters(sock, find_holders=lambda *_: (ourselves,)) == ()


async def test_a_squatter_is_no_reason_to_move(port: int) -> None:
    with decoy("--listen", f"::1:{port}"):
        listener = await open_listener("127.0.0.1", port, random=Random(0))
        with listener.sock:
            assert (listener.host, listener.port) == ("127.0.0.1", port)
