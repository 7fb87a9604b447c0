"""Lives of a daemon's store, queue and runner, each killed one step later than the one before.

`python -m tests.jobs.mortal FOLDER`: forks life after life over a fresh folder, until one comes to its own end. A step
is a file renamed, removed, written or synced, or a statement of SQL; the kill is SIGKILL, in whichever thread that is.
After each death a second life recovers what was left, finishes it, and says as a line of JSON what it found.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon.jobs.job import TERMINAL
from daemon.store import cache
from daemon.store.database import open_database
from daemon.store.files import Files
from daemon.store.sweep import Sweep, SweepLimits
from tests.jobs.conftest import Bench, make_bench
from tests.store.rows import DAY

STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE")
ACCEPTED = "accepted"  # the file of the ids that a client was told, each written once its 202 would have gone out


class Death:
    """Comes at step `number`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._steps = itertools.count(1)

    def step(self) -> None:
        if next(self._steps) == self._number:
            os.kill(os.getpid(), signal.SIGKILL)

    def _before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            self.step()
            return function(*args, **options)

        return stepped

    def lie_in_wait(self) -> None:
        """At every change of a file, wherever in the daemon it is made."""
        for name in ("replace", "rename", "unlink", "write_bytes", "mkdir"):
            setattr(Path, name, self._before(getattr(Path, name)))
        os.fsync = self._before(os.fsync)

    def watch(self, connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(lambda sql: self.step() if sql.startswith(STATEMENTS) else None)


async def live(folder: Path, death: Death) -> None:
    """Jobs done, answered by the cache, cancelled and failed; results expired, evicted and cleared away."""
    bench = await _open(folder)
    await bench.database.read(death.watch)
    death.lie_in_wait()
    feeding = asyncio.create_task(bench.runner.run())
    bench.executor.progress = [0.5]
    for content in (b"one", b"one", b"two"):
        await bench.until(await _submit(bench, folder, content))
    bench.executor.gate.clear()
    cancelled = await _submit(bench, folder, b"three")
    await bench.executor.started.get()
    while await bench.executor.started.get() != cancelled.id:
        pass
    waiting = await _submit(bench, folder, b"four")
    await bench.runner.cancel(cancelled)
    await bench.until(cancelled)
    bench.executor.gate.set()
    await bench.until(waiting)
    sweep = Sweep(bench.database, bench.files, SweepLimits(10), bench.clock)
    bench.clock.now += 2 * 3600
    await sweep.run()
    await bench.until(await _submit(bench, folder, b"two"))
    bench.clock.now += 2 * DAY
    await sweep.run()
    await bench.until(await _submit(bench, folder, b"five"))
    await sweep.clear(None, unfetched=True)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await bench.database.close()


async def _open(folder: Path) -> Bench:
    database = await open_database(folder / "store.db")
    files = Files(folder / "cache")
    files.prepare()
    return make_bench(database, files)


async def _submit(bench: Bench, folder: Path, content: bytes) -> Any:
    bench.executor.result = b"larger " + content
    job = await bench.submit(content)
    with (folder / ACCEPTED).open("a") as file:
        file.write(job.id + "\n")
    return job


async def look(folder: Path) -> dict[str, Any]:
    """What the next daemon finds at its start, and what becomes of the jobs."""
    bench = await _open(folder)
    bench.clock.now += 3 * DAY
    for job in await bench.ledger.recover():
        bench.queue.put(job)
    orphans_before = float("inf")  # nothing was let in yet
    await Sweep(bench.database, bench.files, SweepLimits(1_000_000), bench.clock).run(orphans_before)
    found = {"disagreements": await _disagreements(bench), "temporary": len(list((folder / "cache/tmp").iterdir()))}
    accepted = (folder / ACCEPTED).read_text().split() if (folder / ACCEPTED).exists() else []
    feeding = asyncio.create_task(bench.runner.run())
    ends = {}
    for job_id in accepted:
        job = await bench.until(await bench.ledger.get(job_id, "ann"))
        terminal = [event.event for event in await bench.events(job) if event.event in TERMINAL]
        ends[job_id] = terminal if terminal == [job.state] else [*terminal, f"but is {job.state}"]
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    everybody = await bench.ledger.page("ann", None, 99, None)
    found["not over"] = [job.id for job in everybody if not job.is_over and job.id not in accepted]
    await bench.database.close()
    return found | {"ends": list(ends.values()), "accepted": len(accepted)}


async def _disagreements(bench: Bench) -> list[str]:
    there = {name for name, _ in bench.files.lasting()}
    rows = await bench.database.read(cache.known_files)
    wrong = [f"no row: {name}" for name in there - rows] + [f"no file: {name}" for name in rows - there]
    for name in there:
        if hashlib.sha256(bench.files.path(name).read_bytes()).hexdigest() != Path(name).name.partition(".")[0]:
            wrong.append(f"not what its name says: {name}")  # noqa: PERF401, a comprehension of that length says less
    return wrong


def _in_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own; its exit status, minus the signal where one killed it."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    root = Path(sys.argv[1])
    outcomes: Counter[int] = Counter()
    for number in itertools.count(1):
        folder = root / str(number)
        folder.mkdir()
        outcome = _in_child(lambda folder=folder, number=number: asyncio.run(live(folder, Death(number))))  # type: ignore[misc]
        outcomes[outcome] += 1

        def tell(folder: Path = folder, number: int = number, outcome: int = outcome) -> None:
            print(json.dumps({"step": number, "outcome": outcome} | asyncio.run(look(folder))), flush=True)

        assert _in_child(tell) == 0, number
        shutil.rmtree(folder)
        if outcome == 0:
            return


if __name__ == "__main__":
    main()
