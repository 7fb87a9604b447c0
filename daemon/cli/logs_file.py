"""A log that is a file: its newest lines, read from its end, and then what is written to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from daemon.cli.logs_line import Line, Wish, pick, read_line

BLOCK: Final = 1 << 16
LOOK_SECONDS: Final = 0.2  # the standard library has no inotify


class LogFile:
    """`current` says under which name the file is found now, since another may have taken its place."""

    def __init__(self, current: Callable[[], Path]) -> None:
        self._current = current
        self._file = FileIO(current())  # without a buffer, which a seek would not empty
        self._begun = b""  # a line whose end is not written yet

    def close(self) -> None:
        self._file.close()

    def newest(self, most: int | None, wish: Wish, *, whole: bool) -> list[Line]:
        """The last lines that are wished for, oldest first; `whole` leaves one that is still being written to
        `since_then`, which goes on from here.
        """
        end = self._file.seek(0, os.SEEK_END)
        end = _last_end(self._file, end) if whole else end
        found = pick(map(read_line, _backwards(self._file, end)), most, wish)
        self._file.seek(end)
        return found

    def follow(self) -> Iterator[Line]:
        """For ever."""
        while True:
            yield from self.since_then()
            time.sleep(LOOK_SECONDS)

    def since_then(self) -> Iterator[Line]:
        """What was written since this was last asked: after a truncation from the beginning, and so of a successor."""
        yield from self._rest()
        while True:
            if self._file.tell() > os.fstat(self._file.fileno()).st_size:
                yield from self._break_off()
                self._file.seek(0)
            elif (successor := self._successor()) is not None:
                yield from self._rest()  # written between the two looks
                yield from self._break_off()
                self._file.close()
                self._file = successor
            else:
                return
            yield from self._rest()

    def _rest(self) -> Iterator[Line]:
        while block := self._file.read(BLOCK):
            *lines, self._begun = (self._begun + block).split(b"\n")
            yield from map(read_line, lines)

    def _break_off(self) -> Iterator[Line]:
        if self._begun:
            yield read_line(self._begun)
        self._begun = b""

    def _successor(self) -> FileIO | None:
        """The file that has the name now, where that is another."""
        try:
            path = self._current()
            if os.path.samestat(path.stat(), os.fstat(self._file.fileno())):
                return None
            return FileIO(path)
        except OSError:  # moved away, and nothing in its place yet, or nothing that we may read
            return None


def _last_end(file: FileIO, end: int) -> int:
    """Where the last line ends whose end is written."""
    while end > 0:
        start = max(end - BLOCK, 0)
        file.seek(start)
        if (found := file.read(end - start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0


def _backwards(file: FileIO, end: int) -> Iterator[bytes]:
    """The lines before `end`, newest first."""
    if end == 0:
        return
    file.seek(end - 1)
    if file.read(1) == b"\n":
        end -= 1  # what follows the last line's end is no line
    begun = b""  # how a line ends that begins in a block before
    while end > 0:
        start = max(end - BLOCK, 0)
        file.seek(start)
        begun, *lines = (file.read(end - start) + begun).split(b"\n")
        yield from reversed(lines)
        end = start
    yield begun
