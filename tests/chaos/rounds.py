"""Rounds of a fault in one lane; a round that failed leaves its logs, and the next one has a fresh lane."""

from __future__ import annotations

import asyncio
import shutil
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.lane import Figures, Lane
from tests.chaos.patience import TooLate
from tests.chaos.skipped import Skipped
from tests.chaos.witness import Witnesses

VOID_MOST = 0.05  # of the rounds of a fault; a machine on which there are more is none to time anything on


@dataclass
class Row:
    """What came of all rounds of a fault."""

    fault: Fault
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    void: int = 0  # rounds in which the machine itself stood still for so long that nothing was timed
    seconds: float = 0.0
    skipped: str | None = None
    figures: Figures = field(default_factory=Figures)


@dataclass(frozen=True)
class Place:
    folder: Path  # of the lanes
    kernels: Path
    failed: Path  # where the logs of failed rounds are kept
    thorough: bool
    witnesses: Witnesses


async def run_rounds(fault: Fault, rounds: int, place: Place, cores: Collection[int] | None = None) -> Row:
    """All of them, on those cores; also where they are cut short, nothing that was started is left behind."""
    row, began, number = Row(fault), time.monotonic(), 0
    while number < rounds and not row.skipped:
        folder = place.folder / f"{fault.key}-{number}"
        lane = Lane(fault, folder, place.kernels, thorough=place.thorough, cores=cores)
        try:
            await lane.open()
            number = await _until_one_fails(row, lane, range(number, rounds), place)
        finally:
            await lane.close()
        await asyncio.to_thread(shutil.rmtree, lane.folder, ignore_errors=True)
    row.seconds = time.monotonic() - began
    return row


async def _until_one_fails(row: Row, lane: Lane, numbers: range, place: Place) -> int:
    """Rounds in one lane; the number of the next one."""
    for number in numbers:
        failed = False
        try:
            await one_round(lane, last=number == numbers[-1])
        except Skipped as why:
            row.skipped = str(why)
            return number
        except TooLate as late:
            if row.void < VOID_MOST * numbers.stop and await machines_doing(late, lane.fault, place.witnesses):
                row.void += 1
                return number
            failed = True
            row.failures.append(keep(lane, place.failed, traceback.format_exc()))
        except Exception:  # noqa: BLE001, whatever broke is a failed round, and the others go on
            failed = True
            row.failures.append(keep(lane, place.failed, traceback.format_exc()))
        row.runs += 1
        row.figures.add(lane.figures)
        if failed:
            return number + 1
    return numbers.stop


async def one_round(lane: Lane, *, last: bool = True) -> None:
    lane.figures = Figures()
    await lane.fault.do(lane)
    await lane.settle()
    if last:
        await lane.finish()


async def machines_doing(late: TooLate, fault: Fault, witnesses: Witnesses) -> bool:
    """It would have been in time but for the machine; said of no fault that keeps every core busy itself."""
    stalled = await witnesses.stalled(late.begin, late.end)
    return fault.cores == 1 and late.end - late.begin - stalled < late.within


def keep(lane: Lane, failed: Path, why: str) -> str:
    """Copy the logs of a lane to where they stay; the folder's name."""
    target = failed / lane.folder.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "failure.txt").write_text(why)
    for log in lane.folder.glob("*.log"):
        shutil.copy(log, target)
    return str(target)
