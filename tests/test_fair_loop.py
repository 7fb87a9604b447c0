"""Uploads take turns, and nobody waits behind them; nor does an upload wait for ever."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import subprocess
import sys
from asyncio.trsock import TransportSocket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

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
        selector.bulk.update((one.fileno(), TransportSocket(one)) for one in bulk)
        yield lambda timeout: [key.fd for key, _ in selector.select(timeout)]


def test_uploads_take_turns_one_a_round() -> None:
    with readable(3) as sockets, selecting(sockets, []) as select:
        bulk = {one.fileno() for one in sockets}
        rounds = [select(None) for _ in range(6)]
    assert [len(found) for found in rounds] == [1] * 6
    assert {fd for found in rounds[:3] for fd in found} == bulk
    assert rounds[:3] == rounds[3:]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=60, max_size=60))
def test_whatever_else_there_is_to_do_each_upload_has_its_turn(rounds: list[tuple[bool, bool]]) -> None:
    """In some rounds callbacks wait to be run, and asyncio would not sleep; in some another socket has something."""
    with readable(3) as uploads, pairs(1) as [[plain, far]], selecting(uploads, [plain]) as select:
        turns: Counter[int] = Counter()
        for are_callbacks, is_asked in rounds:
            if is_asked:
                far.sendall(b"x")
            found = select(0 if are_callbacks else None)
            assert found[:1] == [plain.fileno()] or not is_asked
            assert len(found) <= 1 + is_asked
            turns.update(found[is_asked:])
            if is_asked:
                plain.recv(1)
            elif not are_callbacks:
                assert found, "with nothing else to do nothing is held back"
        counts = [turns[one.fileno()] for one in uploads]
    assert min(counts) >= 60 // (MOST_PASSED_OVER + 1) // 3
    assert max(counts) - min(counts) <= 1


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


def on_a_fair_loop(test: Callable[[FairSelector], Awaitable[None]]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FairLoop)
        await test(loop.fair_selector)

    with asyncio.Runner(loop_factory=FairLoop) as runner:
        runner.run(run())


@contextmanager
def connected(near: socket.socket) -> Iterator[asyncio.Transport]:
    """A transport as asyncio gives it."""
    loop = asyncio.get_running_loop()
    near.setblocking(False)
    transport = loop._make_socket_transport(near, asyncio.Protocol())  # type: ignore[attr-defined]
    try:
        yield transport
    finally:
        transport.abort()


def test_whose_upload_is_over_and_whose_connection_is_gone_is_nobody_special() -> None:
    async def test(selector: FairSelector) -> None:
        with pairs(1) as [[near, _]], connected(near) as transport:
            with in_turns(transport):
                assert list(selector.bulk) == [near.fileno()]
            assert not selector.bulk
            transport.abort()
            await asyncio.sleep(0)
            with in_turns(transport), in_turns(None):
                assert not selector.bulk

    on_a_fair_loop(test)


def test_who_gets_the_descriptor_of_a_lost_upload_is_not_taken_for_it() -> None:
    async def test(selector: FairSelector) -> None:
        with pairs(1) as [[near, _]], connected(near) as transport:
            fd = near.fileno()
            with in_turns(transport):
                transport.abort()
                await asyncio.sleep(0)  # it is lost, and its handler has not noticed
                with readable(1) as [other]:
                    assert other.fileno() == fd
                    selector.register(other, selectors.EVENT_READ)
                    assert [key.fd for key, _ in selector.select(0)] == [fd]
                    with connected(other.dup()) as late, in_turns(late):
                        pass
                    selector.unregister(other)

    on_a_fair_loop(test)


DAEMON = """
import asyncio, sys
import daemon.app
from daemon.__main__ import main

async def serve(values, on_ready):
    print(type(asyncio.get_running_loop()).__name__)

daemon.app.serve = serve
sys.exit(main())
"""


def test_the_daemon_runs_on_it(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PRO_ENGINE_STATE_DIR": str(tmp_path / "state"),
        "PRO_ENGINE_CACHE_DIR": str(tmp_path / "cache"),
    }
    daemon = subprocess.run([sys.executable, "-c", DAEMON], env=env, capture_output=True, text=True, check=False)
    assert (daemon.stdout, daemon.returncode) == ("FairLoop\n", 0), daemon.stderr
