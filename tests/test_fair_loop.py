"""Uploads take turns, and nobody waits behind them; nor does an upload wait for ever."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.fair_loop import MOST_PASSED_OVER, FairLoop, FairSelector, in_turns

UPLOADS = 8
PATIENCE = 30.0


@contextmanager
def pairs(count: int) -> Iterator[list[list[socket.socket]]]:
    """Connected sockets: ours, and that of who sends."""
    with ExitStack() as stack:
        yield [[stack.enter_context(end) for end in socket.socketpair()] for _ in range(count)]


@contextmanager
def readable(count: int) -> Iterator[list[socket.socket]]:
    """Sockets that have something to be read, which nobody reads."""
    with pairs(count) as made:
        for _, far in made:
            far.sendall(b"x" * 1000)
        yield [near for near, _ in made]


@contextmanager
def selecting(bulk: list[socket.socket], plain: list[socket.socket]) -> Iterator[Callable[[float | None], list[int]]]:
    """A selector of both kinds; what it finds is told by the descriptors."""
    with closing(FairSelector()) as selector:
        for one in bulk + plain:
            selector.register(one, selectors.EVENT_READ)
        selector.bulk.update((one.fileno(), None) for one in bulk)
        yield lambda timeout: [key.fd for key, _ in selector.select(timeout)]


def test_uploads_take_turns_one_a_round() -> None:
    with readable(3) as sockets, selecting(sockets, []) as select:
        bulk = {one.fileno() for one in sockets}
        rounds = [select(None) for _ in range(6)]
    assert [len(found) for found in rounds] == [1] * 6
    assert {fd for found in rounds[:3] for fd in found} == bulk
    assert rounds[:3] == rounds[3:]


@given(st.lists(st.booleans(), min_size=60, max_size=60))
def test_whatever_else_there_is_to_do_each_upload_has_its_turn(is_waiting: list[bool]) -> None:
    """Callbacks may wait to be run, or not: in that case asyncio would sleep."""
    with readable(4) as sockets:
        *bulk, plain = (one.fileno() for one in sockets)
        with selecting(sockets[:3], sockets[3:]) as select:
            rounds = [select(0 if waits else None) for waits in is_waiting]
    assert all(found[0] == plain for found in rounds)
    assert all(len(found) <= 2 for found in rounds)
    turns = Counter(fd for found in rounds for fd in found[1:])
    assert [turns[one] for one in bulk] == [60 // (MOST_PASSED_OVER + 1) // 3] * 3


def test_without_uploads_all_that_is_ready_is_told() -> None:
    with readable(3) as plain, selecting([], plain) as select:
        assert len(select(None)) == 3


def test_an_upload_that_brings_nothing_takes_no_turn() -> None:
    with readable(2) as bulk:
        bulk[0].recv(1000)
        with selecting(bulk, []) as select:
            assert select(None) == select(None) == [bulk[1].fileno()]
            bulk[1].recv(1000)
            assert select(0) == []


class Reading(asyncio.Protocol):
    """One end of an upload."""

    def __init__(self, read: list[int]) -> None:
        self._read = read

    def data_received(self, data: bytes) -> None:
        self._read.append(len(data))


async def uploads_read_during_a_request() -> tuple[int, int]:
    """How often one of eight uploads is read while something takes five rounds of the loop; and how often in all."""
    read: list[int] = []
    with ExitStack() as stack:
        made = stack.enter_context(pairs(UPLOADS))
        for near, _ in made:
            near.setblocking(False)
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: Reading(read), sock=near)
            stack.callback(transport.abort)
            stack.enter_context(in_turns(transport))
        for _, far in made:
            far.sendall(b"x" * 1000)
        for _ in range(MOST_PASSED_OVER):
            await asyncio.sleep(0)
        during = len(read)
        async with asyncio.timeout(PATIENCE):
            while len(read) < UPLOADS:
                await asyncio.sleep(0)
    await asyncio.sleep(0)  # connections are lost
    return during, len(read)


@pytest.mark.parametrize(("factory", "most"), [(FairLoop, 1), (asyncio.SelectorEventLoop, UPLOADS)])
def test_a_request_of_a_few_rounds_does_not_wait_for_every_upload(
    factory: Callable[[], asyncio.AbstractEventLoop], most: int
) -> None:
    """On asyncio's own loop it does."""
    with asyncio.Runner(loop_factory=factory) as runner:
        during, in_all = runner.run(uploads_read_during_a_request())
    assert in_all == UPLOADS
    assert during <= most
    assert factory is FairLoop or during == UPLOADS


async def test_a_connection_that_is_gone_has_no_turns() -> None:
    with in_turns(None):
        pass


def test_whose_upload_is_over_is_nobody_special() -> None:
    with readable(2) as sockets, closing(FairLoop()) as loop:
        selector = loop._fair_selector
        with loop.in_turns(sockets[0].fileno()):
            assert list(selector.bulk) == [sockets[0].fileno()]
        assert list(selector.bulk) == []
