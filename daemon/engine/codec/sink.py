"""A file for an encoder to write to, which can be watched and stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO, Protocol


class Writable(Protocol):
    def write(self, piece: bytes, /) -> object: ...


class Sink:
    """Hashes what is written, and tells `on_bytes` how many bytes there are after each piece; what that raises stops
    the encoder. It has no `fileno` on purpose: given one, Pillow writes to it behind our back.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self.on_bytes: Callable[[int], None] = lambda _size: None
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> int:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self.on_bytes(self.size)
        return len(piece)

    def flush(self) -> None:
        self._file.flush()
