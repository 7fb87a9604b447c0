"""What ties a daemon to its supervisor and to its store."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import lifecycle
from daemon.lifecycle import Heartbeat, RecordLock, SupervisorGone, listening_sockets, watch_lifeline

HOLDER = """
import sys
from pathlib import Path
from daemon.lifecycle import RecordLock
lock = RecordLock(Path(sys.argv[1]))
print(lock.take(float(sys.argv[2])), flush=True)
sys.stdin.read()
"""


def holder(path: Path, seconds: float = 0.0) -> subprocess.Popen[str]:
    """Another process that tries for the lock, says whether it got it, and stays."""
    arguments = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def got_it(process: subprocess.Popen[str]) -> bool:
    assert process.stdout
    return process.stdout.readline().strip() == "True"


def end(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    process.send_signal(number)
    process.communicate()


def test_the_store_has_one_holder_until_its_death_however_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "state" / "store.lock"
    first = holder(path)
    assert got_it(first)
    lock = RecordLock(path)
    asked = time.monotonic()
    assert not lock.take(0.1)
    assert time.monotonic() - asked >= 0.1
    end(first)
    assert lock.take(5.0)
    second = holder(path)
    assert not got_it(second)
    end(second)


def test_who_waits_gets_the_lock_as_soon_as_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "store.lock"
    first = holder(path)
    assert got_it(first)
    waiting = holder(path, seconds=30.0)
    end(first)
    assert got_it(waiting)
    end(waiting)


def test_who_gives_the_lock_up_lets_the_next_one_have_it_while_it_lives_on(tmp_path: Path) -> None:
    lock = RecordLock(tmp_path / "store.lock")
    assert lock.take(0.0)
    waiting = holder(tmp_path / "store.lock", seconds=30.0)
    lock.release()
    assert got_it(waiting)
    end(waiting)


def test_who_waits_for_the_lock_stops_when_its_supervisor_is_gone(tmp_path: Path, pipe: tuple[int, int]) -> None:
    first = holder(tmp_path / "store.lock")
    assert got_it(first)
    os.close(pipe[1])
    with pytest.raises(SupervisorGone):
        RecordLock(tmp_path / "store.lock").take(math.inf, pipe[0])
    end(first)


def test_the_lock_is_private_and_never_handed_to_children(tmp_path: Path) -> None:
    lock = RecordLock(tmp_path / "state" / "store.lock")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "store.lock").stat().st_mode) == 0o600
    assert not os.get_inheritable(lock._fd)


def test_a_bare_daemon_binds_its_own_socket() -> None:
    (own,) = listening_sockets((), "127.0.0.1", 0)
    with own, socket.create_connection(own.getsockname()):
        pass


def test_a_supervised_daemon_takes_what_it_is_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (given,) = listening_sockets((os.dup(listener.fileno()),), "ignored", 1)
        with given:
            assert given.getsockname() == listener.getsockname()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


async def test_the_heartbeat_says_ready_once_and_then_beats(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "BEAT_SECONDS", 0.01)
    reading, writing = pipe
    beat = Heartbeat(writing)
    beat.start()
    heard = b""
    async with asyncio.timeout(10):
        while heard.count(b"\n") < 4:
            heard += await asyncio.to_thread(os.read, reading, 100)
    beat.stop()
    assert heard.startswith(b"ready\nbeat\nbeat\nbeat\n")


async def test_each_beat_tells_how_late_the_loop_came_to_it(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "BEAT_SECONDS", 0.01)
    late: asyncio.Queue[float] = asyncio.Queue()
    beat = Heartbeat(pipe[1])
    beat.start(late.put_nowait)
    async with asyncio.timeout(10):
        assert await late.get() >= 0
        time.sleep(0.2)  # as whoever blocks the loop does
        while await late.get() < 0.19:
            pass
    beat.stop()


async def test_a_reader_that_is_full_or_gone_is_no_trouble(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pipe
    beat = Heartbeat(writing)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    beat._say(b"beat\n")
    os.close(reading)
    beat._say(b"beat\n")


async def test_the_lifeline_tells_once_when_the_supervisor_is_gone(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    ended: list[int] = []
    gone = asyncio.Event()

    def on_end() -> None:
        ended.append(1)
        gone.set()

    watch_lifeline(reading, on_end)
    for _ in range(3):
        await asyncio.sleep(0)
    assert ended == []
    os.close(writing)
    async with asyncio.timeout(5):
        await gone.wait()
    for _ in range(3):
        await asyncio.sleep(0)
    assert ended == [1]


@pytest.mark.parametrize("reader", ["gone", "never there"])
def test_wrong_settings_make_the_same_exit_code_where_nobody_reads_why(tmp_path: Path, reader: str) -> None:
    """Any other would have the supervisor try the same settings again and again."""
    reading, writing = os.pipe()
    os.close(reading)
    environ = {"PATH": os.environ["PATH"], "PRO_ENGINE_STATE_DIR": str(tmp_path), "PRO_ENGINE_PORT": "none"}
    close = "os.close(2); " if reader == "never there" else ""
    program = f"import os, sys; {close}os.execv(sys.executable, [sys.executable, '-m', 'daemon'])"
    ended = subprocess.run([sys.executable, "-c", program], env=environ, stderr=writing, check=False)
    os.close(writing)
    assert ended.returncode == 78
