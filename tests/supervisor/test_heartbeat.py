from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest

from supervisor.heartbeat import Deadlines, Heartbeat, HeartbeatReader, Missed

DEADLINES = Deadlines(start=60, beat=10)


def look_until(heartbeat: Heartbeat, end: float) -> tuple[float, Missed] | None:
    """Look exactly when the heartbeat wants to be looked at, as the reader's timer does."""
    while heartbeat.look_at <= end:
        now = heartbeat.look_at
        if missed := heartbeat.look(now=now):
            return now, missed
    return None


def test_the_start_deadline_counts_from_the_spawn() -> None:
    assert look_until(Heartbeat(DEADLINES, now=100), end=1000) == (160, Missed.START)


def test_beats_before_ready_do_not_stretch_the_start_deadline() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"beat\n", now=50)
    assert look_until(heartbeat, end=1000) == (60, Missed.START)


def test_a_silence_as_long_as_the_deadline_is_missed_at_that_moment() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=1)
    assert look_until(heartbeat, end=5) is None
    heartbeat.hear(b"beat\n", now=5)
    assert look_until(heartbeat, end=1000) == (15, Missed.BEAT)


def test_a_line_may_arrive_in_pieces() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    for piece in (b"re", b"ad", b"y"):
        heartbeat.hear(piece, now=1)
        assert heartbeat.ready_at is None
    heartbeat.hear(b"\nbea", now=2)
    assert heartbeat.ready_at == 2


@pytest.mark.parametrize("noise", [b"hello\n", b"beaten\n", b"x" * 10_000, b"\xff\n"])
def test_other_lines_are_no_beats(noise: bytes) -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=0)
    heartbeat.hear(noise, now=9)
    assert look_until(heartbeat, end=1000) == (10, Missed.BEAT)


def test_a_late_look_gives_the_daemon_its_whole_deadline_again() -> None:
    """We were stopped or suspended, and so, most likely, was the daemon."""
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=0)
    assert heartbeat.look(now=3600) is None
    assert look_until(heartbeat, end=10_000) == (3610, Missed.BEAT)


def test_a_look_that_is_a_little_late_forgives_nothing() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=0)
    for now in (2, 4, 6, 8):
        assert heartbeat.look(now=now) is None
    assert heartbeat.look(now=11.9) is Missed.BEAT


def standing_by(*, start: float = 60, now: float = 1) -> Heartbeat:
    heartbeat = Heartbeat(Deadlines(start=start, beat=10), now=0)
    heartbeat.hear(b"standby\n", now=now)
    assert heartbeat.standing_by
    return heartbeat


def test_one_that_stands_by_has_no_deadline() -> None:
    assert look_until(standing_by(), end=100_000) is None


def test_one_that_never_comes_to_stand_by_misses_the_start_deadline() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    assert not heartbeat.standing_by
    assert look_until(heartbeat, end=1000) == (60, Missed.START)


def test_told_to_go_it_has_the_whole_start_deadline() -> None:
    heartbeat = standing_by()
    assert look_until(heartbeat, end=5000) is None
    heartbeat.go(now=5000)
    assert not heartbeat.standing_by
    assert look_until(heartbeat, end=10_000) == (5060, Missed.START)


def test_a_short_start_deadline_is_missed_at_that_moment_after_go() -> None:
    heartbeat = standing_by(start=0.5)
    look_until(heartbeat, end=7)
    heartbeat.go(now=7)
    assert look_until(heartbeat, end=1000) == (7.5, Missed.START)


def test_ready_ends_standing_by_whether_we_said_go_or_not() -> None:
    heartbeat = standing_by()
    heartbeat.hear(b"ready\n", now=5)
    assert not heartbeat.standing_by
    assert look_until(heartbeat, end=1000) == (15, Missed.BEAT)


def test_a_standby_line_after_go_is_no_reason_to_wait_without_end() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.go(now=3)
    heartbeat.hear(b"standby\n", now=4)
    assert not heartbeat.standing_by
    assert look_until(heartbeat, end=1000) == (63, Missed.START)


def test_a_standby_line_of_one_that_is_ready_changes_nothing() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=1)
    heartbeat.hear(b"standby\n", now=2)
    assert not heartbeat.standing_by
    assert look_until(heartbeat, end=1000) == (11, Missed.BEAT)


def test_go_does_not_forgive_a_silence_of_one_that_is_ready() -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    heartbeat.hear(b"ready\n", now=0)
    look_until(heartbeat, end=8)
    heartbeat.go(now=9)
    assert look_until(heartbeat, end=1000) == (10, Missed.BEAT)


def test_a_late_look_at_one_that_was_told_to_go_gives_it_its_whole_deadline_again() -> None:
    heartbeat = standing_by()
    heartbeat.go(now=2)
    assert heartbeat.look(now=500) is None
    assert look_until(heartbeat, end=1000) == (560, Missed.START)


@pytest.mark.parametrize("pieces", [(b"stand", b"by\nbe", b"at\n"), (b"standby\nbeat\n",)])
def test_standby_may_arrive_in_pieces_or_with_other_lines(pieces: tuple[bytes, ...]) -> None:
    heartbeat = Heartbeat(DEADLINES, now=0)
    for piece in pieces:
        heartbeat.hear(piece, now=1)
    assert heartbeat.standing_by


async def test_the_reader_tells_ready_once_and_a_missed_deadline_once() -> None:
    reading, writing = os.pipe()
    told: asyncio.Queue[object] = asyncio.Queue()
    heartbeat = Heartbeat(Deadlines(start=5, beat=0.05), now=asyncio.get_running_loop().time())
    reader = HeartbeatReader(reading, heartbeat, on_ready=lambda: told.put_nowait("ready"), on_missed=told.put_nowait)
    os.write(writing, b"ready\nready\nbeat\n")
    async with asyncio.timeout(10):
        assert [await told.get(), await told.get()] == ["ready", Missed.BEAT]
    reader.close()
    os.close(writing)
    assert told.empty()


class Read:
    """A reader over a pipe, and what it told, in order."""

    def __init__(self, deadlines: Deadlines) -> None:
        reading, self.writing = os.pipe()
        self.told: asyncio.Queue[object] = asyncio.Queue()
        self.heartbeat = Heartbeat(deadlines, now=asyncio.get_running_loop().time())
        self.reader = HeartbeatReader(
            reading,
            self.heartbeat,
            on_ready=lambda: self.told.put_nowait("ready"),
            on_missed=self.told.put_nowait,
            on_standby=lambda: self.told.put_nowait("standby"),
        )

    def write(self, text: bytes) -> None:
        os.write(self.writing, text)

    async def tells(self) -> object:
        async with asyncio.timeout(10):
            return await self.told.get()

    def close(self) -> None:
        self.reader.close()
        os.close(self.writing)


@pytest.fixture
async def read() -> AsyncIterator[Callable[[Deadlines], Read]]:
    opened: list[Read] = []

    def open_one(deadlines: Deadlines) -> Read:
        opened.append(Read(deadlines))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


async def test_the_reader_tells_standby_once_then_ready(read: Callable[[Deadlines], Read]) -> None:
    pipe = read(Deadlines(start=5, beat=5))
    pipe.write(b"standby\n")
    assert await pipe.tells() == "standby"
    pipe.write(b"standby\nready\n")
    assert await pipe.tells() == "ready"
    assert pipe.told.empty()


async def test_the_reader_tells_both_when_both_come_at_once(read: Callable[[Deadlines], Read]) -> None:
    pipe = read(Deadlines(start=5, beat=5))
    pipe.write(b"standby\nready\n")
    assert [await pipe.tells(), await pipe.tells()] == ["standby", "ready"]


async def test_the_reader_starts_the_deadline_when_it_is_told_to_go(read: Callable[[Deadlines], Read]) -> None:
    pipe = read(Deadlines(start=0.05, beat=5))
    pipe.write(b"standby\n")
    assert await pipe.tells() == "standby"
    # Others with the same deadline miss it meanwhile; this one has none.
    for _ in range(3):
        assert await read(Deadlines(start=0.05, beat=5)).tells() is Missed.START
    assert pipe.told.empty()
    went = asyncio.get_running_loop().time()
    pipe.reader.go()
    assert await pipe.tells() is Missed.START
    # It comes with the deadline, not with the look that was planned two seconds after the last.
    assert 0.05 <= asyncio.get_running_loop().time() - went < 1


async def test_the_reader_looks_no_more_after_a_missed_deadline_though_it_is_told_to_go(
    read: Callable[[Deadlines], Read],
) -> None:
    pipe = read(Deadlines(start=0.02, beat=5))
    assert await pipe.tells() is Missed.START
    pipe.reader.go()
    assert await read(Deadlines(start=0.1, beat=5)).tells() is Missed.START
    assert pipe.told.empty()


async def test_a_closed_reader_may_be_told_to_go() -> None:
    pipe = Read(Deadlines(start=0.02, beat=5))
    pipe.close()
    pipe.reader.go()
    other = Read(Deadlines(start=0.1, beat=5))
    assert await other.tells() is Missed.START
    other.close()
    assert pipe.told.empty()


async def test_a_reader_without_a_word_for_standby_passes_it_over() -> None:
    reading, writing = os.pipe()
    ready = asyncio.Event()
    heartbeat = Heartbeat(DEADLINES, now=asyncio.get_running_loop().time())
    reader = HeartbeatReader(reading, heartbeat, on_ready=ready.set, on_missed=lambda _: None)
    os.write(writing, b"standby\nready\n")
    async with asyncio.timeout(10):
        await ready.wait()
    reader.close()
    os.close(writing)
