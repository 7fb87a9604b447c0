"""Five hundred jobs on daemons and workers that die and are replaced: each ends once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import random
import re
import secrets
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from PIL import Image

from tests.chaos.processes import of_session
from tests.conftest import copy_kernels
from tests.system.endurance import OVER, Clients, Fault, Storm, Watcher, stop
from tests.system.handover import Life, Place, place
from tests.system.orders import Order, make_orders

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="processes and their descriptors are read in /proc"),
]
JOBS = 500
FAULTS: tuple[Fault, ...] = (
    *("kill the daemon",) * 8,
    *("kill the worker",) * 8,
    *("hand over",) * 5,
    *("stop and start",) * 2,
)
# From its first event to its last: set aside, killed or crashed, it waits again; a cancel or the cache may end that.
COURSE = re.compile(r"(queued (started queued )*(started )?)?(done|failed|cancelled) ")
SEED = "PRO_ENGINE_TEST_SEED"  # to take the same decisions again; when a process is ready, nobody decides


@pytest.fixture
async def here(tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Place]:
    copy_kernels(kernel_cache, tmp_path / "cache")
    async with place(tmp_path) as found:
        yield found


async def test_five_hundred_jobs_in_a_storm_of_kills_restarts_and_cancels_end_once_each_and_leave_nothing(
    here: Place,
) -> None:
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={seed}")  # pytest shows it where the test fails
    chance = random.Random(seed)
    orders = make_orders(chance, JOBS)
    life = await here.ready()
    await settled(life)
    fresh = descriptors(life)
    watcher = Watcher(here)
    clients, storm = Clients(here, watcher), Storm(here, watcher, life)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watcher.watch())
        raging = group.create_task(storm.rage(chance.sample(FAULTS, len(FAULTS)), JOBS, chance))
        await clients.work_off(orders)
        await watcher.until(lambda: watcher.over >= JOBS)
        await raging
        await stop(storm.life)
        last = await here.ready()
        results = {job: await clients.result(job) for job in sorted(watcher.of) if watcher.of[job][-1] == "done"}
        watching.cancel()
    assert await replayed(here, watcher.told[-1][0]) == watcher.told
    await until(lambda: disagreements(here) == [], lambda: disagreements(here))
    await settled(last)
    await until(lambda: not descriptors(last) - fresh, lambda: descriptors(last) - fresh)
    await stop(last)
    await until(lambda: left_behind(here) == [], lambda: left_behind(here))
    check_events(here, watcher)
    check_jobs(here, watcher, clients)
    check_results(here, orders, clients, results)
    assert "_broke" not in (here.folder / "log").read_text()
    assert watcher.connections > len(FAULTS) // 2, "the storm was a breeze"


async def until(true: Callable[[], bool], says: Callable[[], object]) -> None:
    """Look until something is so, which nobody tells."""
    try:
        async with asyncio.timeout(30):
            while not true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(says()) from None


async def settled(life: Life) -> None:
    """Its intake and its worker are there, and it has opened what it keeps open."""
    modules = {"daemon.engine.intake", "daemon.engine.worker"}
    process = psutil.Process(life.process.pid)

    def both() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return {module for child in process.children() for module in child.cmdline()} >= modules
        return False

    await until(both, lambda: [child.cmdline() for child in process.children()])


def descriptors(life: Life) -> Counter[str]:
    """What a daemon has open, by kind or name."""
    kinds: Counter[str] = Counter()
    for entry in Path(f"/proc/{life.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            kinds[re.sub(r":\[\d+\]$", "", str(entry.readlink()))] += 1
    return kinds


def left_behind(here: Place) -> list[int]:
    return [pid for life in here.lives for pid in of_session(life.process.pid)]


def rows(here: Place, query: str) -> list[sqlite3.Row]:
    path = here.folder / "state" / "store.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        store.row_factory = sqlite3.Row
        return store.execute(query).fetchall()


def disagreements(here: Place) -> list[str]:
    """Files that nobody knows of, rows whose files are gone, and uploads that nobody needs any more."""
    cache = here.folder / "cache"
    there = {f"{name}/{path.name}" for name in ("results", "uploads", "tmp") for path in (cache / name).iterdir()}
    known = {row["processed_path"] for row in rows(here, "SELECT processed_path FROM processing_cache")}
    needed = [f"needed still: {row['file_path']}" for row in rows(here, "SELECT file_path FROM temp_files")]
    return [f"no row: {path}" for path in there - known] + [f"no file: {path}" for path in known - there] + needed


async def replayed(here: Place, last: int) -> list[tuple[int, str, str]]:
    """All state changes, as a subscriber that has seen nothing yet is told them."""
    told: list[tuple[int, str, str]] = []
    headers = {"Authorization": f"Bearer {here.token}"}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{here.port}", headers=headers) as session,
        session.ws_connect("/ws") as socket,
    ):
        await socket.send_json({"type": "subscribe", "jobs": "*", "since": 0})
        while not told or told[-1][0] < last:
            event = await socket.receive_json(timeout=30)
            told.append((event["seq"], event["job"], event["event"]))
    return told


def check_events(here: Place, watcher: Watcher) -> None:
    """Each change was committed once and told once, in the order of the commits, and no job goes on after its end."""
    committed = [tuple(row) for row in rows(here, "SELECT seq, job, event FROM job_events ORDER BY seq")]
    assert watcher.told == committed
    assert [seq for seq, *_ in committed] == sorted({seq for seq, *_ in committed})
    wrong = {job: events for job, events in watcher.of.items() if not COURSE.fullmatch(" ".join([*events, ""]))}
    assert wrong == {}


def check_jobs(here: Place, watcher: Watcher, clients: Clients) -> None:
    jobs = rows(here, "SELECT * FROM jobs")
    assert {job["idempotency_key"]: job["id"] for job in jobs} == clients.accepted
    assert len(jobs) == JOBS == len(watcher.of)
    states = {job["id"]: job["state"] for job in jobs}
    assert states == {job: events[-1] for job, events in watcher.of.items()}
    assert set(states.values()) <= OVER
    assert clients.promised == {job: states[job] for job in clients.promised}
    failed = [(job["error_code"], job["attempts"]) for job in jobs if job["state"] == "failed"]
    assert set(failed) <= {("worker_crashed", 2)}, failed  # the third is not counted any more
    seen = Counter(job["state"] for job in jobs) | Counter(cached=sum(job["cached"] for job in jobs))
    assert min(seen["done"], seen["cancelled"], seen["cached"]) > JOBS // 25, seen
    assert sum(job["deaths"] + job["attempts"] for job in jobs), "no kill met a job"


def check_results(here: Place, orders: list[Order], clients: Clients, results: dict[str, bytes]) -> None:
    """What is done has a picture of the right size, the same for all who asked the same, and the one that is kept."""
    assert clients.fetched == {job: results[job] for job in clients.fetched}
    kept = {(row["image_hash"], row["recipe"]): row for row in rows(here, "SELECT * FROM processing_cache")}
    alike: dict[Any, set[str]] = defaultdict(set)
    paths: dict[str, set[str]] = defaultdict(set)
    for order in orders:
        job = clients.accepted[order.key]
        if job in results:
            digest = hashlib.sha256(results[job]).hexdigest()
            if digest not in alike[order.recipe]:
                with Image.open(io.BytesIO(results[job])) as image:
                    image.load()
                    assert image.size == (order.scale * order.width, order.scale * order.height)
                    assert image.format == order.form.upper()
            alike[order.recipe].add(digest)
            paths[digest].add(f"results/{digest}.{order.form}")
    assert {recipe: digests for recipe, digests in alike.items() if len(digests) > 1} == {}
    assert {row["processed_path"] for row in kept.values()} == set().union(*paths.values())
    named = {
        row["id"]: row["result_path"] for row in rows(here, "SELECT id, result_path FROM jobs WHERE state = 'done'")
    }
    assert {job: f"{hashlib.sha256(content).hexdigest()}" for job, content in results.items()} == {
        job: Path(path).stem for job, path in named.items()
    }
