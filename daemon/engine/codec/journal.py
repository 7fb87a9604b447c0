"""What is finished of a picture file, noted beside it, so that who comes after a killed worker goes on where it was.

Encoders that take strips write piece after piece, and need little to go on behind any of them. After each piece one
line is added to the journal: what it reached, and a digest of the file so far. Neither file is forced to disk before
the end, so after a power cut there may be notes of pieces that are not there: the digests tell. Rejected: to keep the
pixels of finished tiles; to write and to read them again takes longer than to make them, and what takes longest, to
encode them, would be lost.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

ENDING: Final = ".journal"
PIECE: Final = 1 << 20
NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})


class Note(BaseModel):
    """What was so after a piece."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    rows: int = 0  # of the result, from above, that are in the file
    size: int = 0  # of the file, in bytes
    state: int = 0  # what the encoder has to know to go on
    making: float = 0.0  # seconds spent on making rows, in all attempts
    writing: float = 0.0  # seconds spent on what else there is to be done for the file
    digest: str = ""  # SHA-256 of the file


NOTHING: Final = Note()


class Journal:
    """The notes of one picture file. One that is not opened notes nothing: a small file is as soon made anew."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.making = 0.0  # seconds, to be added to by whoever makes the rows
        self.last: Note | None = None
        self.digest = hashlib.sha256()  # of what the file has when it is opened
        self.sizes: list[int] = []  # of the file, after each piece
        self._clock = clock
        self._began = clock()
        self._file: BinaryIO | None = None
        self._log: BinaryIO | None = None
        self._found: Note | None = None

    @property
    def writing(self) -> float:
        """Seconds spent on all but making the rows, in all attempts."""
        before = self._found or NOTHING
        return before.writing + self._clock() - self._began - (self.making - before.making)

    @contextmanager
    def opened(self, path: Path) -> Iterator[BinaryIO]:
        """The file at `path`, cut to what the notes and their digests vouch for, at whose end the encoder goes on.

        A worker that is about to end may still write to the file of that name: then that is left to it, and another one
        begun.
        """
        with ExitStack() as stack:
            self._file = stack.enter_context(_locked(path))
            self._log = stack.enter_context(path.with_suffix(ENDING).open("a+b", buffering=0))
            self._go_on(self._file, self._log)
            yield self._file

    def _go_on(self, file: BinaryIO, log: BinaryIO) -> None:
        log.seek(0)
        lines = log.read().splitlines(keepends=True)
        for note, digest in _vouched_for(file, lines):
            self.last = self._found = note
            self.digest = digest
            self.sizes.append(note.size)
        self.making = (self.last or NOTHING).making
        _cut(log, sum(map(len, lines[: len(self.sizes)])))
        _cut(file, (self.last or NOTHING).size)

    def note(self, rows: int, size: int, digest: str, state: int) -> None:
        """Of a piece that was written: the file has `rows` and is of `size` bytes and `digest` now."""
        self.sizes.append(size)
        if self._log is None or self._file is None:
            return
        self._file.flush()  # first the piece, then what speaks of it
        self.last = Note(rows=rows, size=size, state=state, making=self.making, writing=self.writing, digest=digest)
        self._log.write(self.last.model_dump_json().encode() + b"\n")


def forget(path: Path) -> None:
    """Remove a picture file that is not finished, and its journal."""
    path.unlink(missing_ok=True)
    path.with_suffix(ENDING).unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO:
    with suppress(FileNotFoundError):
        found = path.open("r+b")
        if _lock(found):
            return found
        found.close()
        forget(path)
    made = path.open("x+b")
    _lock(made)
    return made


def _lock(file: BinaryIO) -> bool:
    """False where another process has it. Some file systems of networks have no locks: there nobody has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def _vouched_for(file: BinaryIO, lines: list[bytes]) -> Iterator[tuple[Note, Hash]]:
    """The notes of which the file has what they say, from the first to the last of them, and digests that go on."""
    digest, at = hashlib.sha256(), 0
    for line in lines:
        try:
            note = Note.model_validate_json(line)
        except ValueError:  # it was cut off
            return
        while at < note.size and (piece := file.read(min(PIECE, note.size - at))):
            digest.update(piece)
            at += len(piece)
        if (at, digest.hexdigest()) != (note.size, note.digest):
            return
        yield note, digest.copy()


def _cut(file: BinaryIO, size: int) -> None:
    file.seek(size)
    file.truncate()
