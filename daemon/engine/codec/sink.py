"""A file for an encoder to write to, which can be watched and stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO


class Sink:
    """Hashes what is written, and tells how many bytes there are after each piece; what `on_bytes` raises stops the
    encoder. It has no `fileno` on purpose: given one, Pillow writes to it behind our back.
    """

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256()
        self._on_bytes = on_bytes

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> int:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._on_bytes(self.size)
        return len(piece)

    def flush(self) -> None:
        self._file.flush()
