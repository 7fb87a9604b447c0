from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.errors import AddressUnavailable, WrongSettings
from supervisor.port_holder import PortHolder
from supervisor.socket import HIGHEST_PORT, RANDOM_PORTS, listen_on, next_ports, open_listener
from tests.supervisor.conftest import free_port
from tests.supervisor.decoys import decoy

HOST = "127.0.0.1"


def listening(port: int, host: str = HOST) -> socket.socket:
    sock = listen_on(host, port)
    assert sock
    return sock


async def never_wait(_: float) -> None:
    pytest.fail("waited for a port that somebody has")


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


@pytest.mark.parametrize(("code", "error", "names"), [
    (errno.EACCES, WrongSettings, "PRO_ENGINE_PORT"),
    (errno.EADDRNOTAVAIL, AddressUnavailable, "PRO_ENGINE_HOST"),
])  # fmt: skip
def test_an_address_that_cannot_be_had_is_said_by_the_name_of_its_setting(
    code: int, error: type[Exception], names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(error, match=names):
        listen_on(HOST, 80)


async def test_a_port_where_nobody_listens_any_more_is_tried_again() -> None:
    port = free_port()
    closing = socket.create_server(("127.0.0.1", port))

    async def close_it(_: float) -> None:
        closing.close()

    listener = await open_listener("127.0.0.1", port, random=Random(0), find_holders=lambda *_: (), sleep=close_it)
    with listener.sock:
        assert listener.port == port
        assert not listener.fell_back


async def test_a_port_that_closes_at_the_very_end_of_the_retries_is_still_had() -> None:
    port, waits = free_port(), list[float]()
    closing = socket.create_server((HOST, port))

    async def close_last(seconds: float) -> None:
        waits.append(seconds)
        if sum(waits) == 3:
            closing.close()

    listener = await open_listener(HOST, port, random=Random(0), find_holders=lambda *_: (), sleep=close_last)
    with listener.sock:
        assert listener.port == port


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


async def test_a_port_in_time_wait_is_had_at_once() -> None:
    port = free_port()
    with (
        socket.create_server((HOST, port)) as server,
        socket.create_connection((HOST, port), timeout=5) as client,
        server.accept()[0] as accepted,
    ):
        accepted.close()  # the side that closes first is the one that waits
        assert client.recv(1) == b""
    listener = await open_listener(HOST, port, random=Random(0), sleep=never_wait)
    with listener.sock:
        assert listener.port == port


async def test_any_port_is_one_below_the_ephemeral_range() -> None:
    listener = await open_listener("127.0.0.1", 0, random=Random())
    with listener.sock:
        assert listener.port in RANDOM_PORTS
        assert not listener.fell_back


async def test_a_listener_on_ipv6_loopback() -> None:
    listener = await open_listener("::1", 0, random=Random())
    with listener.sock, socket.create_connection(("::1", listener.port), timeout=5):
        assert listener.host == "::1"


async def test_a_foreign_holder_is_named_and_left_in_peace_and_the_next_port_is_taken() -> None:
    """Also one that has our name and our command line."""
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}", argv0="pro-engine") as stranger:
        listener = await open_listener(HOST, port, random=Random(0), sleep=never_wait)
        with listener.sock:
            assert (listener.port, listener.fell_back) == (port + 1, True)
            assert [holder.pid for holder in listener.taken_by] == [stranger.pid]
        assert stranger.alive


async def test_a_leftover_of_ours_is_cleared_once_and_the_port_had_at_once() -> None:
    port, asked = free_port(), list[int]()
    leftover = socket.create_server((HOST, port))

    async def clear() -> bool:
        asked.append(port)
        leftover.close()
        return True

    listener = await open_listener(HOST, port, random=Random(0), clear_ours=clear, sleep=never_wait)
    with listener.sock:
        assert listener.port == port
        assert not listener.taken_by
        assert asked == [port]


async def test_a_free_port_is_taken_without_a_look_at_any_process() -> None:
    async def clear() -> bool:
        pytest.fail("looked for leftovers")

    listener = await open_listener(
        HOST, free_port(), random=Random(0), clear_ours=clear, find_holders=lambda *_: pytest.fail("looked")
    )
    listener.sock.close()


async def test_without_any_free_port_it_says_so() -> None:
    with pytest.raises(AddressUnavailable, match="no port is free"):
        await open_listener(
            HOST, 3007, random=Random(0), find_holders=lambda *_: (PortHolder(HOST),), bind=lambda *_: None
        )


class TestInherited:
    async def test_the_one_on_the_wanted_port_is_served_and_the_others_are_extra(self) -> None:
        port = free_port()
        with listening(port + 1) as other, listening(port) as wanted, listening(port, "127.0.0.2") as elsewhere:
            listener = await open_listener(HOST, port, random=Random(0), inherited=(other, wanted, elsewhere))
            assert listener.sock is wanted
            assert listener.inherited
            assert not listener.fell_back
            assert listener.extra == (other, elsewhere)

    async def test_the_fallback_of_an_earlier_start_becomes_extra_when_the_wanted_port_is_free_again(self) -> None:
        port = free_port()
        with listening(port + 1) as fallback:
            listener = await open_listener(HOST, port, random=Random(0), inherited=[fallback])
            with listener.sock:
                assert (listener.port, listener.inherited, listener.fell_back) == (port, False, False)
                assert listener.extra == (fallback,)

    async def test_it_is_kept_while_the_wanted_port_is_still_taken(self) -> None:
        port = free_port()
        with decoy("--listen", f"{HOST}:{port}") as stranger, listening(port + 1) as fallback:
            listener = await open_listener(HOST, port, random=Random(0), inherited=[fallback])
            assert listener.sock is fallback
            assert (listener.inherited, listener.fell_back, listener.extra) == (True, True, ())
            assert [holder.pid for holder in listener.taken_by] == [stranger.pid]

    async def test_one_on_another_address_is_only_extra(self) -> None:
        port = free_port()
        with listening(port, "127.0.0.2") as elsewhere:
            listener = await open_listener(HOST, port, random=Random(0), inherited=[elsewhere])
            with listener.sock:
                assert (listener.host, listener.port, listener.inherited) == (HOST, port, False)
                assert listener.extra == (elsewhere,)

    async def test_one_on_every_address_that_is_in_the_way_is_named_as_ours(self) -> None:
        port = free_port()
        with listening(port, "0.0.0.0") as everywhere:
            listener = await open_listener(HOST, port, random=Random(0), inherited=[everywhere], sleep=never_wait)
            with listener.sock:
                assert (listener.host, listener.fell_back, listener.extra) == (HOST, True, (everywhere,))
                assert [str(holder) for holder in listener.taken_by] == ["this service itself (on 0.0.0.0)"]

    async def test_any_is_as_good_as_another_where_any_port_is_wanted(self) -> None:
        with ExitStack() as stack:
            first, second = (stack.enter_context(listening(free_port())) for _ in range(2))
            listener = await open_listener(HOST, 0, random=Random(0), inherited=(first, second))
            assert listener.sock is first
            assert not listener.fell_back
            assert listener.extra == (second,)
