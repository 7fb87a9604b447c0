"""The folder of a migration, beside the old file: ledger, backup, plan, exports, log. Only its owner can look in."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.errors import MigrationRefused


@dataclass(frozen=True)
class Work:
    legacy: Path
    folder: Path

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def backup(self) -> Path:
        return self.folder / "backup.db"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.jsonl"

    @property
    def recovery(self) -> Path:
        return self.folder / "recovery.csv"

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def log(self) -> Path:
        return self.folder / "migration.log"

    def report(self, step: str, suffix: str = "json") -> Path:
        return self.folder / f"{step}.{suffix}"


def work_of(legacy: Path, folder: Path | None = None) -> Work:
    return Work(legacy, folder or legacy.with_name(f"{legacy.name}.migration"))


@contextlib.contextmanager
def held(work: Work) -> Iterator[None]:
    """One run at a time: the kernel's lock, which ends with its process however that ends.

    Raises:
        MigrationRefused: another run has it.
    """
    work.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    work.folder.chmod(0o700)
    with (work.folder / "lock").open("a") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MigrationRefused(f"another run of `pro-engine migrate` is at work in {work.folder}") from error
        yield


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file to be written that stands in place of `path` once it is whole and on disk, mode 0600."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    try:
        yield partial
    except BaseException:
        partial.unlink()
        raise
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A name is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
