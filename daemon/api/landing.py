"""Where an upload lands: a temporary file, written and hashed on a thread while the next bytes come in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from daemon.api.pace import Pace
from daemon.errors import UploadTooLarge
from daemon.store.files import disk_errors

BATCH: Final = 1 << 20  # written and hashed in one go: each costs two switches between threads
MOST_BEHIND: Final = 4  # batches that may wait for the disk, before the sender has to
MOST_IDLE: Final = 8
# Of one thread each, which waits for the next upload: to start one costs the loop a wait for its first breath. With one
# thread for all, a small picture would wait for what large ones bring.
_idle: list[ThreadPoolExecutor] = []


async def land(chunks: AsyncIterator[bytes], path: Path, limit: int, pace: Pace) -> str:
    """Write chunks to `path` and return their SHA-256. Where this raises, the file is gone, or soon will be.

    Raises:
        UploadTooLarge: they are more than `limit` bytes together.
        DiskFull: the disk could not take them.
    """
    landing, is_whole = _Landing(path), False
    behind: deque[asyncio.Future[None]] = deque()
    thread = _idle.pop() if _idle else ThreadPoolExecutor(1, thread_name_prefix="upload")
    thread.submit(landing.open)  # while the first bytes come; what is wrong with it shows when they are written
    try:
        async for batch in _batches(chunks, limit):
            behind.append(asyncio.get_running_loop().run_in_executor(thread, landing.write, batch))
            if len(behind) > MOST_BEHIND:
                await pace.rest(behind.popleft())
        while behind:
            await pace.rest(behind.popleft())
        is_whole = True
    finally:
        for write in behind:
            write.cancel()
        # after what is being written just now, which goes on whoever was cancelled here
        thread.submit(landing.close if is_whole else landing.give_up)
        thread.submit(_give_back, thread)
    return landing.sha256


def _give_back(thread: ThreadPoolExecutor) -> None:
    """The last that a thread does for an upload: whoever gets it next does not wait."""
    if len(_idle) < MOST_IDLE:
        _idle.append(thread)
    else:
        thread.shutdown(wait=False)


class _Landing:
    """For its one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def open(self) -> None:
        with disk_errors():
            self._file = self._path.open("wb")

    def write(self, batch: list[bytes]) -> None:
        if self._file is None:
            self.open()
        assert self._file is not None
        with disk_errors():
            for chunk in batch:
                self._file.write(chunk)
                self._digest.update(chunk)
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk may tell of it here once more
                self._file.close()

    def give_up(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


async def _batches(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[list[bytes]]:
    """Chunks by the batch; one that is empty, where there are none."""
    size = 0
    batch: list[bytes] = []
    async for chunk in chunks:
        size += len(chunk)
        require_size(size, limit)
        batch.append(chunk)
        if size // BATCH > (size - len(chunk)) // BATCH:
            yield batch
            batch = []
    if batch or not size:
        yield batch


def require_size(size: int, limit: int) -> None:
    """Raises UploadTooLarge."""
    if size > limit:
        raise UploadTooLarge(f"the upload is larger than {limit >> 20} MiB")
