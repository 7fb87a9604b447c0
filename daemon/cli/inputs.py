"""Which pictures are meant, and where each result goes."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.errors import BadRequest
from daemon.executor.formats import FACTS, OUTPUT_NAMED, SOURCE_NAMED, same_format

ENDINGS: Final = frozenset(f".{name}" for name in SOURCE_NAMED)


@dataclass(frozen=True)
class Item:
    """One picture and where its result goes."""

    source: Path
    target: Path


def plan(words: Iterable[str], output: Path | None, suffix: str, form: str | None) -> list[Item]:
    """What `IN… [-o OUT]` means. `suffix`, such as `-4x`, names results that lie beside their sources.

    Raises:
        BadRequest: several pictures for one file, or two results of the same name.
    """
    found = [pair for word in words for pair in _expand(word, suffix)]
    file = output if output is not None and output.suffix and not output.is_dir() else None
    if file is not None and len(found) > 1:
        raise BadRequest(f"{len(found)} pictures cannot all become {file}: name a folder, {file.with_suffix('')}/")
    items = [Item(source, file or _target(source, below, output, suffix, form)) for source, below in found]
    targets: dict[Path, Path] = {}
    for item in items:
        if item.target.absolute() == item.source.absolute():
            raise BadRequest(f"{item.source} would be replaced by its own result: name another folder or file")
        if (other := targets.setdefault(item.target, item.source)) != item.source:
            raise BadRequest(f"{other} and {item.source} would both become {item.target}")
    return list(dict.fromkeys(items))


def _expand(word: str, suffix: str) -> list[tuple[Path, Path]]:
    """Pictures, each with the folder that it keeps its place below."""
    path = Path(word)
    if path.is_dir():
        inside = (p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix.casefold() in ENDINGS)
        return [(p, path) for p in inside if not _is_result(p, suffix)]
    if not path.exists() and glob.has_magic(word):
        matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207, absolute ones too
        return [(p, p.parent) for p in matches if p.is_file() and not _is_result(p, suffix)] or [(path, path.parent)]
    return [(path, path.parent)]  # where it is not there, that is this item's own error


def _is_result(path: Path, suffix: str) -> bool:
    """Whether a picture is what an earlier run made of its neighbour: a folder is not enlarged again and again."""
    stem = re.sub(rf"{re.escape(suffix)}$", "", path.stem)
    endings = (spelled for ending in ENDINGS for spelled in (ending, ending.upper()))  # cameras shout
    return stem != path.stem and any(path.with_name(stem + ending).exists() for ending in endings)


def _ending(own: str) -> str:
    """That of a result beside a source which ends so: its own, where it is that of a format which results can have."""
    name = own.removeprefix(".")
    if name not in SOURCE_NAMED or name in OUTPUT_NAMED:
        return own
    return f".{FACTS[same_format(SOURCE_NAMED[name], has_alpha=False)].ending}"


def _target(source: Path, below: Path, output: Path | None, suffix: str, form: str | None) -> Path:
    ending = f".{FACTS[OUTPUT_NAMED[form]].ending}" if form else _ending(source.suffix.casefold())
    if output is None:
        return source.with_name(source.stem + suffix + ending)
    return output / source.relative_to(below).with_suffix(ending)
