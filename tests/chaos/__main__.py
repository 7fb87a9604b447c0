"""`python -m tests.chaos --rounds N`: the long round. Every fault so many times, some faults side by side."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS
from tests.chaos.rounds import Place, Row, run_rounds
from tests.chaos.table import HEAD, RULE, line, summary, table
from tests.conftest import warm_kernels

LANES = 3  # on two cores: more would measure the machine and not the service
TIMED = 2  # of these at once where it is asserted how soon a service is back
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
    failed = Path(options.failed or tempfile.mkdtemp(prefix="pro-engine-chaos-failed-"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pro-engine-chaos-") as folder:
        place = Place(Path(folder), kernels(), failed, thorough=not options.quick, timing=asyncio.Semaphore())
        rows = asyncio.run(run(faults, options.rounds, options.lanes, place))
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


async def run(faults: Sequence[Fault], rounds: int, lanes: int, place: Place) -> list[Row]:
    """Those that want to be alone come last, and before them the short ones: none is to be left over at the end."""
    if (this := asyncio.current_task()) is not None:  # told to end, it ends what it started, as by ^C
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    rows: dict[str, Row] = {}
    waiting = sorted(
        (fault for fault in faults if not fault.alone), key=lambda fault: (not fault.timed, not fault.slow)
    )
    timed: set[str] = set()  # that run now
    print(f"{HEAD}\n{RULE}", flush=True)

    async def do(fault: Fault) -> None:
        rows[fault.key] = row = await run_rounds(fault, fault.rounds(rounds), place)
        print(line(row), flush=True)

    async def fill_lane() -> None:
        while (fault := next((one for one in waiting if not one.timed or len(timed) < TIMED), None)) is not None:
            waiting.remove(fault)
            timed.update({fault.key} if fault.timed else ())
            await do(fault)
            timed.discard(fault.key)

    await asyncio.gather(*(fill_lane() for _ in range(lanes)))
    for fault in faults:
        if fault.alone:
            await do(fault)
    return [rows[fault.key] for fault in faults]


def kernels() -> Path:
    """The compiled kernels that the tests keep: compiling them is not what is tried here."""
    folder = Path(os.environ.get("PRO_ENGINE_TEST_CACHE", ROOT / ".cache" / "test"))
    folder.mkdir(parents=True, exist_ok=True)
    warm_kernels(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
