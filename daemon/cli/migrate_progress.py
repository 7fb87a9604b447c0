"""How far a migration is: a bar on a terminal, a line of JSON a second for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from daemon.migrate import progress

EVERY_SECONDS: Final = 1.0


class Bars:
    """One for each stretch, with its rate and the time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._began = 0.0

    def begin(self, what: str, total: int) -> None:
        self._task = self._bars.add_task(what, total=total, rate="")
        self._began = time.monotonic()

    def advance(self, by: int = 1) -> None:
        if self._task is None:
            return
        self._bars.advance(self._task, by)
        done = self._bars.tasks[self._bars.task_ids.index(self._task)].completed
        spent = max(time.monotonic() - self._began, 1e-3)
        self._bars.update(self._task, rate=f"{done / spent:,.0f}/s")


class Lines:
    """The first and the last of each stretch, and one a second between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._what, self._done, self._total = "", 0, 0
        self._began = self._told = 0.0

    def begin(self, what: str, total: int) -> None:
        self._what, self._done, self._total = what, 0, total
        self._began = self._clock()
        self._tell()

    def advance(self, by: int = 1) -> None:
        self._done += by
        if self._done >= self._total or self._clock() - self._told >= EVERY_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told = self._clock()
        spent = self._told - self._began
        rate = self._done / spent if spent > 0 else None
        left = (self._total - self._done) / rate if rate else None
        line = {
            "event": "progress",
            "what": self._what,
            "done": self._done,
            "total": self._total,
            "per_second": None if rate is None else round(rate, 1),
            "seconds_left": None if left is None else round(max(left, 0.0), 1),
        }
        print(json.dumps(line), flush=True)


@contextmanager
def shown_progress(console: Console, *, as_json: bool) -> Iterator[progress.Progress]:
    if as_json:
        yield Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        *(BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield Bars(bars)
