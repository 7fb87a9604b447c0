"""The sockets that a service manager hands us: which are kept, and what each is good for."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.address import is_same_address
from supervisor.inherited import BACKLOG, LISTEN_FDS_START, Choice, choose, take_inherited
from tests.supervisor.conftest import free_port


class FakeSocket(socket.socket):
    """Bound to an address in words only."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        return self._name


HOSTS = st.sampled_from(["127.0.0.1", "0.0.0.0", "::1", "::", "192.168.1.5", "::ffff:127.0.0.1"])
PORTS = st.sampled_from([3007, 3008, 4000])


@given(addresses=st.lists(st.tuples(HOSTS, PORTS), max_size=5), host=HOSTS, wanted_port=PORTS | st.just(0))
def test_only_a_socket_on_the_wanted_address_is_chosen(
    addresses: list[tuple[str, int]], host: str, wanted_port: int
) -> None:
    with ExitStack() as stack:
        inherited = [stack.enter_context(FakeSocket(*address)) for address in addresses]
        choice = choose(inherited, host, wanted_port)
        on_host = [sock for sock in inherited if is_same_address(sock.getsockname()[0], host)]
        exact = [sock for sock in on_host if wanted_port in {0, sock.getsockname()[1]}]
        assert choice == Choice(next(iter(exact), None), None if exact else next(iter(on_host), None))


def test_a_wildcard_does_not_stand_in_for_an_address_of_its_own() -> None:
    with FakeSocket("0.0.0.0", 3007) as everywhere:
        assert choose([everywhere], "127.0.0.1", 3007) == Choice()


@pytest.mark.parametrize("environ", [
    {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
    {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
    {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "²"},
    {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"},
    {"LISTEN_PID": str(os.getpid())},
    {"LISTEN_FDS": "1"},
    {},
])  # fmt: skip
def test_descriptors_not_meant_for_this_process_are_not_touched(environ: dict[str, str]) -> None:
    environ |= {"LISTEN_FDNAMES": "http", "HOME": "/"}
    assert take_inherited(environ) == ()
    assert environ == {"HOME": "/"}


def in_child(work: Callable[[], None]) -> int:
    """In a forked child, because the descriptors from 3 on are this process's own."""
    pid = os.fork()
    if pid == 0:
        sys.stdout = StringIO()  # pytest's own is in the way of what is put at 3 and after
        try:
            work()
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pass_down(*fds: int, count: int | None = None) -> dict[str, str]:
    """Put them at 3 and after, as systemd does."""
    kept = [os.dup2(fd, 250 + position) for position, fd in enumerate(fds)]
    for position, fd in enumerate(kept):
        os.dup2(fd, LISTEN_FDS_START + position)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count or len(fds)), "LISTEN_FDNAMES": "log:http:store"}


@pytest.fixture
def servers() -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", free_port()), backlog=1)) for _ in range(2)]


def test_every_listening_socket_is_taken_and_what_else_came_is_closed(servers: list[socket.socket]) -> None:
    with socket.socket() as deaf, socket.socket(type=socket.SOCK_DGRAM) as datagrams:

        def work() -> None:
            environ = pass_down(1, servers[0].fileno(), deaf.fileno(), datagrams.fileno(), servers[1].fileno())
            found = take_inherited(environ)
            assert [sock.getsockname() for sock in found] == [server.getsockname() for server in servers]
            assert [sock.fileno() for sock in found] == [4, 7]
            assert not any(sock.get_inheritable() for sock in found)
            assert environ == {}
            for fd in (3, 5, 6):
                with pytest.raises(OSError, match="Bad file descriptor"):
                    os.fstat(fd)

        assert in_child(work) == 0


def test_the_queue_is_made_long_again(servers: list[socket.socket]) -> None:
    """Listening with a queue of one, a third connection would hang."""

    def work() -> None:
        (found,) = take_inherited(pass_down(servers[0].fileno()))
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(socket.create_connection(found.getsockname(), timeout=5))

    assert in_child(work) == 0
    assert BACKLOG == 4096


def test_a_socket_that_comes_twice_is_taken_once(servers: list[socket.socket]) -> None:
    """From the socket unit, and from the descriptor store where an earlier start left it."""

    def work() -> None:
        found = take_inherited(pass_down(servers[0].fileno(), servers[0].fileno()))
        assert [sock.fileno() for sock in found] == [3]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(4)

    assert in_child(work) == 0


def test_a_count_that_is_too_high_finds_what_is_there(servers: list[socket.socket]) -> None:
    def work() -> None:
        server = os.dup2(servers[0].fileno(), 240)
        os.closerange(LISTEN_FDS_START, 240)
        assert len(take_inherited(pass_down(server, count=10**9))) == 1

    assert in_child(work) == 0
