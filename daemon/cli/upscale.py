"""`pro-engine upscale`: many pictures, each its own outcome; one bad file never stops the rest."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from daemon import log, settings
from daemon.api.wire.fields import read_fields
from daemon.cli.backend import Backend, Fields, Report, open_backend, require_picture
from daemon.cli.inputs import Item, plan
from daemon.errors import BadRequest, ProEngineError
from daemon.executor.formats import OUTPUT_NAMED

TARGETS: Final = {"width", "height", "long_edge", "megapixels", "print_width_mm", "print_height_mm"}
AT_ONCE: Final = 4  # pictures on their way at the same time: uploads and downloads overlap the device's work
Tell = Callable[[Item, Report, float], None]  # what came of a picture, and the seconds that it took
MOST_EXIT: Final = 100  # above it, exit codes mean other things


@dataclass(frozen=True)
class Failure:
    item: Item
    error: ProEngineError


def upscale(options: argparse.Namespace) -> int:
    """Exit status: how many pictures failed, at most 100."""
    fields = _fields(options)
    read_fields(fields).spec()  # a wrong option is one error, not one for each picture
    items = plan(options.pictures, options.output, _suffix(options), options.format)
    if not items:
        raise BadRequest(f"no pictures in {', '.join(options.pictures)}")
    values = settings.read()
    log.set_up("pretty", quiet=True)
    console = Console(highlight=False, soft_wrap=True, stderr=options.json)
    tell = _tell_json if options.json else partial(_tell, console)
    failures = asyncio.run(_all(items, fields, values, console, tell, force=options.force))
    if len(items) > 1:
        console.print(f"{len(items) - len(failures)} of {len(items)} pictures enlarged")
    for failure in failures:
        says = f"{printable(failure.item.source)}: {failure.error.message} ({failure.error.code})"
        console.print(f"[red]failed[/red] {escape(says)}")
    return min(len(failures), MOST_EXIT)


def printable(path: Path) -> str:
    """A path as it can be shown: names on disk are bytes, which need not be text."""
    return str(path).encode(errors="replace").decode()


def _fields(options: argparse.Namespace) -> Fields:
    chosen = {
        "width": options.width,
        "height": options.height,
        "long_edge": options.long_edge,
        "megapixels": options.megapixels,
        "print_width_mm": options.print_width,
        "print_height_mm": options.print_height,
        "dpi": options.dpi,
        "model": options.model,
        "sharpen": options.sharpen,
        "denoise": options.denoise,
        "format": options.format,
        "quality": options.quality,
        "keep_metadata": options.keep_metadata,
        "priority": "batch" if len(options.pictures) > 1 else None,
    }
    fields = {name: str(value) for name, value in chosen.items() if value is not None}
    if options.scale is not None or not TARGETS & fields.keys():
        fields["scale_factor"] = str(options.scale or 4)
    return fields


def _named_format(item: Item, fields: Fields) -> Fields:
    """The format that a result's name asks for, where nothing else does and it is not the source's own."""
    source, target = (OUTPUT_NAMED.get(path.suffix.casefold().removeprefix(".")) for path in (item.source, item.target))
    return {"format": target} if target and target != source and "format" not in fields else {}


def _suffix(options: argparse.Namespace) -> str:
    for name in ("width", "height", "long_edge"):
        if (value := getattr(options, name)) is not None:
            return f"-{value}px"
    for name in ("print_width", "print_height"):
        if (value := getattr(options, name)) is not None:
            return f"-{value:g}mm"
    return f"-{options.megapixels}mp" if options.megapixels else f"-{str(options.scale or 4).removesuffix('x')}x"


async def _all(
    items: list[Item], fields: Fields, values: settings.Settings, console: Console, tell: Tell, *, force: bool
) -> list[Failure]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    turns = asyncio.Semaphore(AT_ONCE)
    async with open_backend(values) as backend:
        console.print(f"[dim]using {backend.name}[/dim]")
        with Progress(*columns, console=console, transient=True) as bars:

            async def one(item: Item) -> Failure | None:
                async with turns:
                    bar = bars.add_task(escape(printable(Path(item.source.name))), total=1.0)
                    try:
                        return await _one(
                            item, fields, backend, lambda done: bars.update(bar, completed=done), tell, force=force
                        )
                    finally:
                        bars.remove_task(bar)

            # not `gather`: an interrupt would close the backend once the first has ended, under those that take their
            # jobs back
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(item)) for item in items]
    return [outcome for task in tasks if (outcome := task.result()) is not None]


async def _one(
    item: Item, fields: Fields, backend: Backend, on_progress: Callable[[float], None], tell: Tell, *, force: bool
) -> Failure | None:
    started = time.perf_counter()
    try:
        require_picture(item.source)
        _require_fresh(item.target, force=force)
        report = await backend.enlarge(item.source, fields | _named_format(item, fields), item.target, on_progress)
    except ProEngineError as error:
        return Failure(item, error)
    except OSError as error:
        return Failure(item, ProEngineError(f"{error.filename or item.target}: {error.strerror or error}"))
    tell(item, report, time.perf_counter() - started)
    return None


def _require_fresh(target: Path, *, force: bool) -> None:
    if target.exists() and not force:
        raise BadRequest(f"{target} is there already; --force replaces it")
    target.parent.mkdir(parents=True, exist_ok=True)


def _tell(console: Console, item: Item, report: Report, seconds: float) -> None:
    lines = [
        f"[bold]{escape(str(item.target))}[/bold]  {report.width} x {report.height} in {seconds:.2f} s",
        f"  device  {escape(report.device)}",
    ]
    if report.stages:
        spent = "  ".join(f"{name.removesuffix('_ms')} {value:.0f} ms" for name, value in report.stages.items())
        lines.append(f"  time    {spent}")
    if report.cache:
        lines.append(f"  cache: {report.cache}")
    console.print("\n".join(lines))


def _tell_json(item: Item, report: Report, seconds: float) -> None:
    line = {"source": str(item.source), "target": str(item.target), "seconds": round(seconds, 4), **asdict(report)}
    print(json.dumps(line), flush=True)
