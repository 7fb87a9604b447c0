"""Which faults run beside which, on two cores: where more ran, the machine would be timed and not the service."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.fault import Fault
from tests.chaos.rounds import Place, Row, run_rounds
from tests.chaos.table import HEAD, RULE, line

LANES: Final = 4
CORES: Final = 2


@dataclass
class Schedule:
    """Where it is timed how soon a service is back, no more faults run than cores are for them, but for idle ones; and
    each that is timed has a core of its own, since two services that start on the same one take twice as long.
    """

    waiting: list[Fault]
    running: dict[Fault, set[int]] = field(default_factory=dict)  # each with the cores that are its own

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> Schedule:
        """Those that are timed come first, so that what may run beside them is still there."""
        together = [fault for fault in faults if not fault.alone]
        return cls(sorted(together, key=lambda fault: (not fault.timed, not fault.idle, not fault.slow)))

    def take(self) -> Fault | None:
        """The next one that may run beside those that do."""
        fault = next((fault for fault in self.waiting if self._fits(fault)), None)
        if fault is not None:
            self.waiting.remove(fault)
            self.running[fault] = self._own(fault)
        return fault

    def _own(self, fault: Fault) -> set[int]:
        if not fault.timed or fault.idle or fault.cores == CORES:
            return set()
        taken = set().union(*self.running.values())
        return {next(core for core in sorted(os.sched_getaffinity(0)) if core not in taken)}

    def _fits(self, fault: Fault) -> bool:
        if fault.idle:
            return True
        busy = [fault, *(one for one in self.running if not one.idle)]
        return sum(one.cores for one in busy) <= CORES or not any(one.timed for one in busy)


async def run(faults: Sequence[Fault], rounds: int, lanes: int, place: Place) -> list[Row]:
    """All of them; those that want to be alone come last."""
    if (this := asyncio.current_task()) is not None:  # told to end, it ends what it started, as by ^C
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    rows: dict[str, Row] = {}
    schedule, over = Schedule.of(faults), asyncio.Condition()
    print(f"{HEAD}\n{RULE}", flush=True)

    async def do(fault: Fault) -> None:
        cores = schedule.running.get(fault)
        rows[fault.key] = row = await run_rounds(fault, fault.rounds(rounds), place, cores)
        print(line(row), flush=True)

    async def fill_lane() -> None:
        while schedule.waiting:
            if (fault := schedule.take()) is None:
                async with over:
                    await over.wait()
                continue
            try:
                await do(fault)
            finally:
                del schedule.running[fault]
                async with over:
                    over.notify_all()

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(fill_lane())
    for fault in faults:
        if fault.alone:
            await do(fault)
    return [rows[fault.key] for fault in faults]
