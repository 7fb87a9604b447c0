"""A file for an encoder to write to, which can be watched and stopped, and gone on with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO

from daemon.engine.codec.journal import PIECE, Journal


class Sink:
    """Hashes what is written, and tells `on_bytes` how many bytes there are after each piece; what that raises stops
    the encoder. It has no `fileno` on purpose: given one, Pillow writes to it behind our back.
    """

    def __init__(self, file: BinaryIO, journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        self.on_bytes: Callable[[int], None] = lambda _size: None
        self.size = self.journal.last.size if self.journal.last else 0
        self._digest = self.journal.digest
        self._file = file

    @property
    def rows(self) -> int:
        """Of the result, that the file has already: an encoder that takes strips goes on behind them."""
        return self.journal.last.rows if self.journal.last else 0

    def state(self, first: int) -> int:
        """What the encoder last had to know to go on; `first` where it has not begun."""
        return self.journal.last.state if self.journal.last else first

    @property
    def sizes(self) -> list[int]:
        """Of the file, after each piece that was said to be in it."""
        return self.journal.sizes

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> int:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self.on_bytes(self.size)
        return len(piece)

    def has(self, rows: int, state: int = 0) -> None:
        """So many rows of the result are in what is written; `state` is what it takes to go on behind them."""
        self.journal.note(rows, self.size, self.sha256, state)

    def patch(self, at: int, piece: bytes) -> None:
        """Write over what stands at byte `at`. The whole file is read again for its digest."""
        self._file.seek(at)
        self._file.write(piece)
        self._file.seek(0)
        self._digest = hashlib.sha256()
        while content := self._file.read(PIECE):
            self._digest.update(content)

    def flush(self) -> None:
        self._file.flush()
