from __future__ import annotations

import asyncio
import os

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
