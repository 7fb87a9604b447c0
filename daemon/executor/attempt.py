"""One attempt at one job: who waits for it, and how long its worker may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from daemon.errors import Cancelled, ProEngineError
from daemon.executor.child import Child
from daemon.executor.executor import Assignment
from daemon.executor.messages import AnyMessage, Done, Failed, Progress

log = structlog.get_logger(__name__)


@dataclass
class Attempt:
    assignment: Assignment
    on_progress: Callable[[float], None]
    outcome: asyncio.Future[Done]
    stage: str = "decode"
    has_tiles: bool = False  # one is made, by what the worker has told
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # a sign of life since it was last looked at

    def take(self, message: AnyMessage) -> Done | ProEngineError | None:
        """Hear of this job; its outcome once that is what is said."""
        self.heard.set()
        if not isinstance(message, Progress | Done | Failed) or message.job != self.assignment.job:
            return None
        if isinstance(message, Progress):
            self.has_tiles = (
                self.has_tiles or self.stage != "decode"
            )  # the first word of a stage is told before its work
            self.stage = message.stage
            self.on_progress(message.fraction)
            return None
        if isinstance(message, Done):
            return message
        error = message.fault.error()
        return Cancelled(error.message, has_tiles=self.has_tiles) if isinstance(error, Cancelled) else error

    def settle(self, outcome: Done | ProEngineError) -> None:
        """Tell whoever waits, if anybody still does."""
        if self.outcome.done():
            return
        if isinstance(outcome, Done):
            self.outcome.set_result(outcome)
        else:
            self.outcome.set_exception(outcome)

    async def watch(self, child: Child, tile_deadline: float, file_deadline: float) -> None:
        """Kill a worker that is not heard of: a driver that hangs says nothing, nor does it see a cancel."""
        while True:
            self.heard.clear()
            deadline = tile_deadline if self.stage == "upscale" else file_deadline
            try:
                async with asyncio.timeout(deadline):
                    await self.heard.wait()
            except TimeoutError:
                log.error("worker_hung", job=self.assignment.job, stage=self.stage, seconds=deadline)  # noqa: TRY400, nothing was raised
                child.kill()
                return
