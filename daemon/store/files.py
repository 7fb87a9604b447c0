"""The cache folder: `uploads/` and `results/`, content-addressed, `tmp/` for what is still being written, and
`unfinished/` for the results among that which a later worker goes on with.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from daemon.errors import DiskFull

UPLOADS: Final = "uploads"
RESULTS: Final = "results"
TMP: Final = "tmp"
UNFINISHED: Final = "unfinished"
DOOMED: Final = ".doomed"  # the ending of what a thread is about to remove


class Files:
    """Paths in rows are relative to `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders = [str(root / name) for name in (UPLOADS, RESULTS, TMP, UNFINISHED)]
        self._held: Counter[str] = Counter()
        # To free the blocks of a large file takes a while; but nobody who asks for little is to wait for an fsync.
        self._removals = ThreadPoolExecutor(2, thread_name_prefix="removal")

    def prepare(self) -> None:
        """Make the folders, and empty `tmp/` of what a killed daemon left. Only the holder of the lock may."""
        self._make_folders()
        for left in (self.root / TMP).iterdir():
            left.unlink(missing_ok=True)

    def _require_folders(self) -> None:
        """Make what is not there: a cache may be deleted, under our feet too."""
        if not all(map(os.path.isdir, self._folders)):  # a mkdir would wait for whoever writes in the same place
            self._make_folders()

    def _make_folders(self) -> None:
        for folder in self._folders:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, relative: str) -> Path:
        return self.root / relative

    def temp(self) -> Path:
        """A name in `tmp/` that nobody else has."""
        self._require_folders()
        return self.root / TMP / uuid.uuid4().hex

    async def drop(self, temp: Path) -> None:
        """Remove a temporary file, which is done even where the caller is cancelled meanwhile."""
        with suppress(OSError):
            await asyncio.shield(self._remove([temp]))

    def unfinished(self, key: str) -> Path:
        """A name in `unfinished/`, the same each time; a worker has another file beside it whose name begins so."""
        self._require_folders()
        return self.root / UNFINISHED / key

    def left_unfinished(self) -> set[str]:
        """The keys of what is there."""
        return {entry.name.partition(".")[0] for entry in (self.root / UNFINISHED).iterdir()}

    def forget_unfinished(self, key: str) -> None:
        for left in (self.root / UNFINISHED).glob(f"{key}*"):
            left.unlink(missing_ok=True)

    def sync(self, path: Path) -> None:
        """Force a file that was written to the disk.

        Raises:
            DiskFull: the disk could not take it.
        """
        with disk_errors():
            _sync(path)

    def keep(self, temp: Path, relative: str) -> None:
        """Give a temporary file that is on disk already its lasting name; the name is on disk when this returns.

        Raises:
            DiskFull: the disk could not take it. The temporary file is gone.
        """
        target = self.root / relative
        try:
            with disk_errors():
                temp.replace(target)
                _sync(target.parent)
        except DiskFull:
            temp.unlink(missing_ok=True)
            raise

    @contextmanager
    def holding(self, relative: str) -> Iterator[None]:
        """Keep a name from the sweep until the row that speaks of it is committed: `with` it around `keep` and that."""
        self._held[relative] += 1
        try:
            yield
        finally:
            self._held[relative] -= 1
            if not self._held[relative]:
                del self._held[relative]

    async def discard(self, relatives: Iterable[str]) -> None:
        """Remove files that no row speaks of any more, but those that are just being kept anew.

        All are renamed first, on the loop: between the caller's look at the rows, the look at who holds them, and the
        last rename nothing can come. Only then does a thread free their blocks, which may take a while.
        """
        doomed = []
        for relative in relatives:
            if relative not in self._held:
                doomed.append(self.temp().with_suffix(DOOMED))
                with suppress(FileNotFoundError):
                    (self.root / relative).rename(doomed[-1])
        await self._remove(doomed)

    def _remove(self, paths: Iterable[Path]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._removals, _unlink, paths)

    def has(self, relative: str) -> bool:
        """Whether a file is there, which may have been deleted by somebody else."""
        return self.path(relative).exists()

    def lasting(self) -> Iterator[tuple[str, float]]:
        """Every lasting file and the time of its last change."""
        for folder in (UPLOADS, RESULTS):
            for entry in os.scandir(self.root / folder):
                yield f"{folder}/{entry.name}", entry.stat().st_mtime


@contextmanager
def disk_errors() -> Iterator[None]:
    """Say DiskFull for whatever a disk refuses."""
    try:
        yield
    except OSError as error:
        raise DiskFull(f"the file could not be stored: {error.strerror or error}") from error


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
