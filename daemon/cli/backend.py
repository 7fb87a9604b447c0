"""What enlarges a picture for the command line: the running service, or a worker of our own when none runs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from daemon.api.wire.fields import read_fields
from daemon.client import Client, connect
from daemon.client.transfer import whole_or_nothing
from daemon.errors import BadRequest, ServiceUnreachable, WorkerCrashed
from daemon.executor.executor import Assignment
from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import Done, FileRef
from daemon.executor.options import WorkerOptions
from daemon.settings import Settings

ATTEMPTS: Final = 3
Fields = dict[str, str]


@dataclass(frozen=True)
class Report:
    """What came of one picture."""

    width: int
    height: int
    device: str
    stages: dict[str, float] | None  # None: nothing was computed
    cache: str | None  # hit or miss; None where there is no cache


class Backend(Protocol):
    name: str

    async def enlarge(self, source: Path, fields: Fields, target: Path, on_progress: Callable[[float], None]) -> Report:
        """Make `target` of `source`, whole or not at all. Raises ProEngineError."""
        ...


class ServiceBackend:
    """Hands pictures to the running service and fetches what it made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = f"the service at {client.url}"

    async def enlarge(self, source: Path, fields: Fields, target: Path, on_progress: Callable[[float], None]) -> Report:
        job = await self._client.upscale(source, target, on_progress=on_progress, patient=True, **fields)
        on_progress(1.0)
        stages = dict(job.stages) if job.stages is not None else None
        return Report(job.output_width, job.output_height, job.device or "", stages, job.cache)


class OwnBackend:
    """The same intake and the same worker processes, without a service around them."""

    name = "a worker of its own (no service is running)"

    def __init__(self, executor: LocalExecutor, intake: Intake) -> None:
        self._executor = executor
        self._intake = intake

    async def enlarge(self, source: Path, fields: Fields, target: Path, on_progress: Callable[[float], None]) -> Report:
        spec = read_fields(fields).spec()
        header = await self._intake.probe(source)
        width, height = spec.out_size(header.width, header.height)
        with whole_or_nothing(target) as part:
            assignment = Assignment(
                job=uuid.uuid4().hex,
                source=FileRef(path=str(source.absolute())),
                sink=FileRef(path=str(part.absolute())),
                work=spec.work(width, height, spec.format or header.same_format),
            )
            done = await self._run(assignment, on_progress)
        on_progress(1.0)
        return Report(width, height, done.device.name, done.stages.model_dump(), None)

    async def _run(self, assignment: Assignment, on_progress: Callable[[float], None]) -> Done:
        for _ in range(ATTEMPTS - 1):
            lease = await self._executor.lease()
            try:
                return await lease.run(assignment, on_progress)
            except WorkerCrashed:
                continue
        return await (await self._executor.lease()).run(assignment, on_progress)


@asynccontextmanager
async def open_backend(settings: Settings) -> AsyncIterator[Backend]:
    """The running service, or else workers of our own that live as long as this context."""
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(connect(settings.folders, as_user=True))
        except ServiceUnreachable:
            if settings.supabase_url:  # its users are charged, which only the service does
                raise
        else:
            yield ServiceBackend(client)
            return
    settings.folders.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    executor = LocalExecutor(settings.devices, WorkerOptions(settings.folders.cache, settings.worker_memory))
    intake = Intake(IntakeLimits(settings.max_source_pixels, settings.max_frames, settings.max_ratio))
    await executor.start()
    try:
        yield OwnBackend(executor, intake)
    finally:
        await executor.close()
        await intake.close()


def require_picture(path: Path) -> None:
    """Raises BadRequest where there is no file to read, or one whose name no message can carry."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise BadRequest("the name is not UTF-8: rename it, or the folder it is in") from None
    if not path.is_file():
        raise BadRequest(f"{path}: no such file")
