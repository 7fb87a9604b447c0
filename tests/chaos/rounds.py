"""Rounds of a fault in one lane; a round that failed leaves its logs, and the next one has a fresh lane."""

from __future__ import annotations

import shutil
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.lane import Figures, Lane
from tests.chaos.skipped import Skipped


@dataclass
class Row:
    """What came of all rounds of a fault."""

    fault: Fault
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    skipped: str | None = None
    figures: Figures = field(default_factory=Figures)


@dataclass(frozen=True)
class Place:
    folder: Path  # of the lanes
    kernels: Path
    failed: Path  # where the logs of failed rounds are kept
    thorough: bool


async def run_rounds(fault: Fault, rounds: int, place: Place) -> Row:
    row, began, lane = Row(fault), time.monotonic(), None
    for number in range(rounds):
        if lane is None:
            lane = Lane(fault, place.folder / f"{fault.key}-{number}", place.kernels, thorough=place.thorough)
            await lane.open()
        try:
            await one_round(lane, last=number == rounds - 1)
            row.runs += 1
        except Skipped as why:
            row.skipped = str(why)
            break
        except Exception:  # noqa: BLE001, whatever broke is a failed round, and the others go on
            row.runs += 1
            row.failures.append(keep(lane, place.failed, traceback.format_exc()))
        row.figures.add(lane.figures)
        if row.failures and str(lane.folder.name) in row.failures[-1]:
            await lane.close()
            lane = None
    if lane is not None:
        await lane.close()
        shutil.rmtree(lane.folder, ignore_errors=True)
    row.seconds = time.monotonic() - began
    return row


async def one_round(lane: Lane, *, last: bool = True) -> None:
    lane.figures = Figures()
    await lane.fault.do(lane)
    await lane.settle()
    if last:
        await lane.finish()


def keep(lane: Lane, failed: Path, why: str) -> str:
    """Copy the logs of a lane to where they stay; the folder's name."""
    target = failed / lane.folder.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "failure.txt").write_text(why)
    for log in lane.folder.glob("*.log"):
        shutil.copy(log, target)
    return str(target)
