from __future__ import annotations

import os
import socket
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.port_holder import PortHolder, find_port_holders
from supervisor.socket import BACKLOG, HIGHEST_PORT, RANDOM_PORTS, listen_on, next_ports, open_listener, take_inherited
from tests.supervisor.conftest import free_port


@given(port=st.integers(0, HIGHEST_PORT), seed=st.integers())
def test_the_next_ports_are_five_in_a_row_then_random_below_the_ephemeral_range_then_any(port: int, seed: int) -> None:
    candidates = list(next_ports(port, Random(seed)))
    in_a_row = candidates[: min(5, HIGHEST_PORT - port)] if port else []
    assert all(one + 1 == other for one, other in pairwise([port, *in_a_row])) or not port
    assert all(candidate in RANDOM_PORTS for candidate in candidates[len(in_a_row) : -1])
    assert candidates[-1] == 0
    assert max(candidates) <= HIGHEST_PORT


def test_a_listener_is_not_inheritable_and_never_shares_its_port() -> None:
    sock = listen_on("127.0.0.1", free_port())
    assert sock
    with sock:
        assert not sock.get_inheritable()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        assert listen_on("127.0.0.1", sock.getsockname()[1]) is None


async def test_a_port_where_nobody_listens_any_more_is_tried_again() -> None:
    port = free_port()
    closing = socket.create_server(("127.0.0.1", port))

    async def close_it(_: float) -> None:
        closing.close()

    listener = await open_listener("127.0.0.1", port, random=Random(0), find_holders=lambda *_: (), sleep=close_it)
    with listener.sock:
        assert listener.port == port
        assert not listener.fell_back


async def test_a_port_that_an_outgoing_connection_uses_is_given_up_after_the_retries() -> None:
    port, waits = free_port(), list[float]()

    async def count(seconds: float) -> None:
        waits.append(seconds)

    with (
        socket.create_server(("127.0.0.1", free_port())) as server,
        socket.create_connection(server.getsockname(), timeout=5, source_address=("127.0.0.1", port)),
    ):
        listener = await open_listener("127.0.0.1", port, random=Random(0), sleep=count)
    with listener.sock:
        assert listener.fell_back
        assert listener.taken_by == ()
        assert sum(waits) == 3


async def test_any_port_is_one_below_the_ephemeral_range() -> None:
    listener = await open_listener("127.0.0.1", 0, random=Random())
    with listener.sock:
        assert listener.port in RANDOM_PORTS
        assert not listener.fell_back


async def test_a_listener_on_ipv6_loopback() -> None:
    listener = await open_listener("::1", 0, random=Random())
    with listener.sock, socket.create_connection(("::1", listener.port), timeout=5):
        assert listener.host == "::1"


@pytest.mark.parametrize(("listening", "wanted", "found"), [
    ("127.0.0.1", "127.0.0.1", True),
    ("0.0.0.0", "127.0.0.1", True),
    ("127.0.0.1", "0.0.0.0", True),
    ("127.0.0.2", "127.0.0.1", False),
])  # fmt: skip
def test_a_holder_is_found_where_its_address_excludes_ours(listening: str, wanted: str, *, found: bool) -> None:
    with socket.create_server((listening, free_port())) as server:
        holders = find_port_holders(wanted, server.getsockname()[1])
        assert [holder.pid for holder in holders] == ([os.getpid()] if found else [])


def test_nobody_holds_a_port_that_is_free() -> None:
    assert find_port_holders("127.0.0.1", free_port()) == ()


def test_a_holder_that_cannot_be_seen_is_said_to_be_so() -> None:
    assert str(PortHolder("0.0.0.0")) == "a process that this user cannot see (on 0.0.0.0)"
    assert str(PortHolder("127.0.0.1", pid=7, name="nginx", user="www")) == "nginx (pid 7, user www)"


def test_descriptors_meant_for_another_process_are_not_taken() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "HOME": "/"}
    assert take_inherited(environ, 3007) is None
    assert environ == {"HOME": "/"}


def test_the_listener_of_systemd_is_taken_and_what_else_came_is_closed() -> None:
    """In a forked child, because descriptors 3 and 4 are this process's own."""
    server = socket.create_server(("127.0.0.1", free_port()))
    port = server.getsockname()[1]
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(server.fileno(), 250)
            os.dup2(1, 3)
            os.dup2(250, 4)
            environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "log:http"}
            listener = take_inherited(environ, 3007)
            assert listener
            assert (listener.port, listener.inherited, listener.fell_back) == (port, True, False)
            assert listener.sock.fileno() == 4
            assert not listener.sock.get_inheritable()
            assert environ == {}
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(3)
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    server.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert BACKLOG == 4096
