"""Writes and removes a service's files: what is ours and unchanged freely, what somebody edited only when told to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from daemon.cli.service_place import Ask
from daemon.cli.service_text import Standing, standing
from daemon.errors import ServiceRefused

SOMEBODYS: Final = frozenset({Standing.EDITED, Standing.FOREIGN})
EXIT_EDITED: Final = 73  # EX_CANTCREAT


def read(path: Path) -> str | None:
    """None where nothing is. A link (a masked unit is one) is nobody's text, and so never ours."""
    if path.is_symlink():
        return f"a link to {path.readlink()}"
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None


def differing(wanted: Mapping[Path, str], *, force: bool, ask: Ask) -> dict[Path, str]:
    """Of what is wanted, what is not there yet to the letter.

    Raises:
        ServiceRefused: something there is not as we wrote it, and may not be replaced.
    """
    found = {path: standing(read(path), text) for path, text in wanted.items()}
    for path, how in found.items():
        if how in SOMEBODYS and not force:
            _want_leave(path, how, ask, "replace it")
    return {path: wanted[path] for path, how in found.items() if how is not Standing.CURRENT}


def removable(paths: Sequence[Path], *, force: bool, ask: Ask) -> list[Path]:
    """Those of the paths that are there and ours.

    Raises:
        ServiceRefused: something there is not as we wrote it, and may not be removed.
    """
    found = {path: standing(text, "") for path in paths if (text := read(path)) is not None}
    for path, how in found.items():
        if how in SOMEBODYS and not force:
            _want_leave(path, how, ask, "remove it")
    return list(found)


def _want_leave(path: Path, how: Standing, ask: Ask, to_do: str) -> None:
    says = "was edited" if how is Standing.EDITED else "was not written by this command"
    if not ask(f"{path} {says}; {to_do}?"):
        raise ServiceRefused(f"{path} {says}; `--force` says to {to_do} all the same", EXIT_EDITED)


@contextmanager
def put_back_on_failure(paths: Sequence[Path]) -> Iterator[None]:
    """Nothing half-written: when what is done inside fails, the files are again what they were."""
    before = {path: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in paths}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            with contextlib.suppress(OSError):
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    _write(path, content)
        raise


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, text.encode("utf-8", "surrogateescape"))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never through a link that lies there."""
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123  a descriptor, not a path
            file.write(content)
            os.fchmod(fd, 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """With the folder of drop-ins, once that is empty."""
    path.unlink(missing_ok=True)
    if path.parent.suffix == ".d" and path.parent.name.endswith(".service.d"):
        with contextlib.suppress(OSError):
            path.parent.rmdir()
