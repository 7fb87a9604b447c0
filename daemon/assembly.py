"""Builds the daemon's parts from its settings, and starts and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from daemon.accounts.accounts import Accounts, running_accounts
from daemon.accounts.local import local_access, share
from daemon.accounts.login import LoginCodes
from daemon.accounts.pairing import Pairings
from daemon.accounts.project import Project
from daemon.api.parts import ApiLimits, Parts
from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.local import LocalExecutor
from daemon.executor.options import WorkerOptions
from daemon.jobs.cache_key import unfinished_key, warm_engine_digest
from daemon.jobs.charging import Charging
from daemon.jobs.estimates import Estimates
from daemon.jobs.events import EventHub
from daemon.jobs.figures import Figures
from daemon.jobs.job import Job
from daemon.jobs.ledger import Ledger
from daemon.jobs.preflight import Preflight
from daemon.jobs.queue import JobQueue, QueueBounds
from daemon.jobs.runner import JobRunner
from daemon.jobs.submission import Limits, Submission
from daemon.settings import Settings
from daemon.store.database import Database, open_database
from daemon.store.facts import StoreFacts
from daemon.store.files import Files
from daemon.store.sweep import Sweep, SweepLimits

SWEEP_SECONDS: Final = 60.0
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def running_parts(settings: Settings) -> AsyncIterator[Parts]:
    """The daemon's parts, started; stopped in the reverse order, jobs first. One that does not start stops those before
    it: the store's thread would keep the process from its end.
    """
    started_at = time.time()
    async with contextlib.AsyncExitStack() as stack:
        database = await open_database(settings.folders.state / "store.db")
        stack.push_async_callback(database.close)
        files = Files(settings.folders.cache)
        await asyncio.to_thread(files.prepare)
        intake_limits = IntakeLimits(settings.max_source_pixels, settings.max_frames, settings.max_ratio)
        hub, intake = EventHub(), Intake(intake_limits)
        queue = JobQueue(QueueBounds(settings.max_queue, settings.max_queue_per_client))
        stack.push_async_callback(intake.close)
        figures = Figures()
        ledger = Ledger(database, hub, time.time, settings.cache_ttl, figures)
        facts = StoreFacts(database, time.time, settings.pin_seconds)
        options = WorkerOptions(settings.folders.cache, settings.worker_memory)
        executor = LocalExecutor(settings.devices, options)
        stack.push_async_callback(executor.close)
        limits = Limits(settings.max_output_pixels, settings.cache_bytes)
        accounts = await stack.enter_async_context(accounts_of(settings, database, hub))
        charging = charging_of(accounts, database, settings)
        submission = Submission(files, ledger, facts, queue, intake, executor, limits, time.time, charging)
        if accounts is not None:
            ledger.on_over = lambda _: accounts.stream.wake()
        estimates = Estimates()
        runner = JobRunner(queue, ledger, hub, executor, files, time.time, settings.cache_ttl, estimates)
        stack.push_async_callback(runner.drain, settings.drain_seconds)  # where `serve` ends by an error
        access = local_access(settings.folders.token, settings.folders.secret)
        if settings.shared_dir is not None:
            share(access, settings.shared_dir)
        kept = SweepLimits(settings.cache_bytes, settings.pin_seconds, settings.event_seconds)
        count = lambda why, entries: figures.evicted.add(why, by=entries)
        sweep = Sweep(database, files, kept, time.time, count)
        if settings.start_paused:
            await facts.keep_queue_paused(paused=True)
        if await facts.queue_is_paused():
            queue.pause()
        pairings = Pairings(database, time.time, time.monotonic, secrets.token_bytes, is_open=settings.pairing)
        stack.push_async_callback(pairings.close)
        await pairings.load()
        waiting = await ledger.recover()
        await forget_unfinished(files, waiting)
        for job in waiting:
            queue.put(job)
        await executor.start()
        stack.push_async_callback(
            end,
            [
                asyncio.create_task(runner.run()),
                asyncio.create_task(_sweep(sweep, started_at)),
                asyncio.create_task(intake.start()),
                asyncio.create_task(warm_engine_digest()),
            ],
        )
        yield Parts(
            access=access,
            pairings=pairings,
            logins=LoginCodes(time.monotonic, secrets.token_bytes),
            files=files,
            ledger=ledger,
            hub=hub,
            queue=queue,
            submission=submission,
            runner=runner,
            preflight=Preflight(
                submission=submission,
                intake_limits=intake_limits,
                estimates=estimates,
                ledger=ledger,
                queue=queue,
                runner=runner,
                hub=hub,
                executor=executor,
                worker_memory=settings.worker_memory,
            ),
            executor=executor,
            sweep=sweep,
            facts=facts,
            store=await facts.store_id(),
            limits=ApiLimits(
                upload_bytes=settings.max_upload_bytes,
                source_pixels=settings.max_source_pixels,
                output_pixels=settings.max_output_pixels,
                cache_bytes=settings.cache_bytes,
                cache_ttl=settings.cache_ttl,
                subscribers=settings.max_subscribers,
                message_bytes=settings.max_message_bytes,
                upload_stall_seconds=settings.upload_stall_seconds,
            ),
            origins=frozenset(settings.origins),
            hosts=own_names(settings.host, *settings.hosts),
            clock=time.time,
            started_at=started_at,
            figures=figures,
            accounts=accounts,
            restarts=settings.restarts,
            safe_mode=settings.safe_mode,
        )


async def forget_unfinished(files: Files, waiting: Sequence[Job]) -> None:
    """Remove results that were begun and that no job goes on with."""
    if left := await asyncio.to_thread(files.left_unfinished):
        await warm_engine_digest()
        for key in left - {unfinished_key(job.image_hash, job.spec) for job in waiting}:
            await asyncio.to_thread(files.forget_unfinished, key)


@contextlib.asynccontextmanager
async def accounts_of(settings: Settings, database: Database, hub: EventHub) -> AsyncIterator[Accounts | None]:
    """Those of the project, where there is one; whoever listens hears what they have used."""
    if not settings.supabase_url:
        yield None
        return
    project = Project(settings.supabase_url, settings.supabase_anon_key)
    async with running_accounts(project, settings.folders.signing_keys, database, hub.is_heard) as accounts:
        accounts.profiles.on_change = hub.account
        yield accounts


def charging_of(accounts: Accounts | None, database: Database, settings: Settings) -> Charging | None:
    if accounts is None:
        return None
    charging = Charging(database, accounts.limits, time.time, settings.offline_jobs)
    charging.on_owed = accounts.stream.wake
    return charging


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def own_names(*hosts: str) -> frozenset[str]:
    """What a `Host` header may call us: loopback, and `hosts` as they stand in a URL."""
    names = {host.casefold() for host in hosts}
    return LOOPBACK_NAMES | {f"[{name}]" if ":" in name else name for name in names}


async def _sweep(sweep: Sweep, started_at: float) -> None:
    orphans_before: float | None = started_at
    while True:
        try:
            await sweep.run(orphans_before)
            orphans_before = None
        except Exception:
            log.exception("sweep_broke")  # a full disk, say: the next minute is another try
        await asyncio.sleep(SWEEP_SECONDS)
