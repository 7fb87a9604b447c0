"""Lines to a reader that stalls, comes back, or goes away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daemon.lines import LineWriter

READ = 1 << 20


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


class Reader(threading.Thread):
    """Reads until the lines that it waits for have come."""

    def __init__(self, fd: int, enough: Callable[[bytes], bool]) -> None:
        super().__init__(daemon=True)
        self.found = b""
        self._fd = fd
        self._enough = enough
        self.start()

    def run(self) -> None:
        while not self._enough(self.found):
            self.found += os.read(self._fd, READ)

    def lines(self) -> list[str]:
        self.join(20)
        assert not self.is_alive(), self.found[-200:]
        return self.found.decode().splitlines()


async def test_a_reader_that_stalls_holds_up_neither_who_logs_nor_the_loop(pipe: tuple[int, int]) -> None:
    """Then it comes back: what was kept is there in its order, and the rest is counted."""
    told: list[int] = []

    def tell_lost(count: int) -> None:
        told.append(count)
        writer.put(f"lost {count}")

    writer = LineWriter(pipe[1], tell_lost)
    longest = 0.0
    for number in range(100_000):
        before = time.perf_counter()
        writer.put(f"{number:0100d}")
        longest = max(longest, time.perf_counter() - before)
        if number % 1000 == 0:
            await asyncio.sleep(0)
    assert longest < 0.5
    assert not writer.flush(0.01)
    lines = Reader(pipe[0], lambda found: b"lost" in found and found.endswith(b"\n")).lines()
    kept = [int(line) for line in lines if "lost" not in line]
    assert kept == sorted(set(kept))  # there may be gaps: the pipe itself takes some while others are dropped
    assert len(kept) >= (1 << 20) // 101
    assert lines[-1] == f"lost {100_000 - len(kept)}"
    assert told == [100_000 - len(kept)]
    assert writer.flush(5)


def test_lines_keep_their_order_and_flush_waits_for_the_last(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], lambda _count: None)
    reader = Reader(pipe[0], lambda found: b"999\n" in found)
    for number in range(1000):
        writer.put(str(number))
    assert writer.flush(10)
    assert reader.lines() == [str(number) for number in range(1000)]


def test_lines_of_several_threads_stay_whole(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], lambda _count: None)
    reader = Reader(pipe[0], lambda found: found.count(b"\n") == 4000)

    def log(letter: str) -> None:
        for number in range(1000):
            writer.put(letter * 20 + str(number))

    threads = [threading.Thread(target=log, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = reader.lines()
    for letter in "abcd":
        assert [line for line in lines if line[0] == letter] == [letter * 20 + str(number) for number in range(1000)]


def test_a_reader_that_has_gone_is_no_trouble_and_holds_up_no_end(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], lambda _count: None)
    os.close(pipe[0])
    for _ in range(100):
        writer.put("into the void")
    assert writer.flush(5)
    writer.put("still no trouble")
    assert writer.flush(5)


def test_what_was_lost_to_a_full_disk_is_counted_too(monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]) -> None:
    told: list[int] = []
    writer = LineWriter(pipe[1], told.append)
    write = os.write
    full = True

    def write_or_not(fd: int, line: Any) -> int:
        if full and fd == pipe[1]:
            raise OSError(28, "No space left on device")
        return write(fd, line)

    monkeypatch.setattr(os, "write", write_or_not)
    for _ in range(3):
        writer.put("lost")
    assert writer.flush(5)
    full = False
    writer.put("written")
    assert writer.flush(5)
    assert told == [3]


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1], lambda _count: None)
    for number in range(5000):
        writer.put(f"{number:0100d}")
    reader = Reader(pipe[0], lambda found: found.count(b"\n") == 5000)
    assert [int(line) for line in reader.lines()] == list(range(5000))


def test_text_that_is_no_text_is_written_all_the_same(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], lambda _count: None)
    writer.put("a name with \udcff in it")
    assert writer.flush(5)
    assert os.read(pipe[0], 100) == b"a name with \\udcff in it\n"


ENDS = """
import sys, time
from daemon import log
import structlog
log.set_up("json")
for number in range(20_000):
    structlog.get_logger().info("x" * 100)
"""


def test_an_end_does_not_wait_for_a_reader_that_stalls() -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDS], stderr=subprocess.PIPE)
    assert process.wait(30) == 0
    process.communicate()
