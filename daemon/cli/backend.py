"""What enlarges a picture for the command line: the running service, or a worker of our own when none runs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from daemon.api.wire.fields import read_fields
from daemon.client import Client, connect
from daemon.errors import BadRequest, Cancelled, ServiceUnreachable, WorkerCrashed, from_code
from daemon.executor.executor import Assignment
from daemon.executor.intake import Intake
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import Done, FileRef
from daemon.executor.slot import WorkerOptions
from daemon.settings import Settings

ATTEMPTS: Final = 3
SUBMIT_ATTEMPTS: Final = 5
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
        """Make `target` of `source`. Raises ProEngineError."""
        ...


class ServiceBackend:
    """Hands pictures to the running service and fetches what it made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = f"the service at {client.address.url}"

    async def enlarge(self, source: Path, fields: Fields, target: Path, on_progress: Callable[[float], None]) -> Report:
        job = await self._submit(source, fields)
        try:
            if job["state"] in {"queued", "running"}:
                job = await self._client.follow(job["id"], lambda event: _show(event, on_progress))
        except BaseException:
            await self._client.cancel(job["id"])
            raise
        if job["state"] == "cancelled":
            raise Cancelled("the job was cancelled")
        if job["error"]:
            raise from_code(job["error"]["code"], job["error"]["message"])
        with target.open("wb") as file:
            await self._client.download(job["id"], file)
        on_progress(1.0)
        return Report(job["output_width"], job["output_height"], job["device"], job["stages"], job["cache"])

    async def _submit(self, source: Path, fields: Fields) -> dict[str, Any]:
        """Under one key, so that a picture whose answer was lost in a restart is not enlarged twice."""
        key = uuid.uuid4().hex
        for _ in range(SUBMIT_ATTEMPTS - 1):
            try:
                return await self._client.submit(source, source.name, fields, key)
            except ServiceUnreachable:
                continue  # the supervisor keeps the port: the next try waits in its backlog for the next daemon
        return await self._client.submit(source, source.name, fields, key)


def _show(event: dict[str, Any], on_progress: Callable[[float], None]) -> None:
    if event.get("event") == "progress":
        on_progress(event["data"]["progress"])


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
        assignment = Assignment(
            job=uuid.uuid4().hex,
            source=FileRef(path=str(source.absolute())),
            sink=FileRef(path=str(target.absolute())),
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
            client = await stack.enter_async_context(connect(settings.folders))
        except ServiceUnreachable:
            pass
        else:
            yield ServiceBackend(client)
            return
    settings.folders.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    executor = LocalExecutor(settings.devices, WorkerOptions(settings.folders.cache, settings.worker_memory))
    intake = Intake(IntakeLimits(settings.max_source_pixels))
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
