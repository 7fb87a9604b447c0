"""`python -m tests.chaos --rounds N`: the long round. Every fault so many times, some faults side by side."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.rounds import Place, Row
from tests.chaos.schedule import LANES, run
from tests.chaos.table import summary, table
from tests.chaos.witness import Witnesses
from tests.conftest import warm_kernels

ROOT = Path(__file__).parents[2]


def main() -> int:
    options = parser().parse_args()
    faults = [
        fault for fault in FAULTS if not options.only or fault.number in options.only or fault.key in options.only
    ]
    if options.list:
        for fault in faults:
            print(f"{fault.number:>4}  {fault.name}: {fault.outcome}")
        return 0
    go_first()
    failed = Path(options.failed or tempfile.mkdtemp(prefix="pro-engine-chaos-failed-"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pro-engine-chaos-") as folder:
        rows = asyncio.run(do(faults, options, Path(folder), failed))
    text = f"{summary(rows)}\n- took {time.monotonic() - began:.0f} s\n\n{table(rows)}\n"
    print(f"\n{text}")
    if options.table:
        Path(options.table).write_text(text)
    broken = [failure for row in rows for failure in row.failures]
    if broken:
        print(f"{len(broken)} rounds failed; their logs: {failed}", file=sys.stderr)
    else:
        failed.rmdir() if not options.failed else None
    return 1 if broken else 0


def go_first() -> None:
    """What asks and measures is not to wait for what is measured, where we may say so: on two busy cores an answer that
    was there had lain for up to a second before it was looked at. What is started by us is as any other process.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


async def do(faults: list[Fault], options: argparse.Namespace, folder: Path, failed: Path) -> list[Row]:
    async with Witnesses() as witnesses:
        place = Place(folder, kernels(), failed, not options.quick, witnesses)
        return await run(faults, options.rounds, options.lanes, place)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    made.add_argument("--rounds", type=int, default=5, help="of each fault; slow ones have fewer")
    made.add_argument("--lanes", type=int, default=LANES, help="faults side by side")
    made.add_argument("--only", nargs="+", metavar="FAULT", help="numbers or keys of faults")
    made.add_argument("--quick", action="store_true", help="short spans, as in the tests")
    made.add_argument("--table", help="a file for the table, in Markdown")
    made.add_argument("--failed", help="a folder for the logs of failed rounds")
    made.add_argument("--list", action="store_true", help="what there is")
    return made


def kernels() -> Path:
    """The compiled kernels that the tests keep: compiling them is not what is tried here."""
    folder = Path(os.environ.get("PRO_ENGINE_TEST_CACHE", ROOT / ".cache" / "test"))
    folder.mkdir(parents=True, exist_ok=True)
    warm_kernels(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
