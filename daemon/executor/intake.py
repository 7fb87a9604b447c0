"""The intake as the daemon sees it: one small child that reads headers, replaced when it dies or dawdles."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import structlog

from daemon.errors import BrokenImage, IntakeUnavailable
from daemon.executor.child import Child
from daemon.executor.intake_limits import IntakeLimits
from daemon.executor.messages import FileRef, Header, Probe, Probed, Ready

DEADLINE_SECONDS: Final = 5.0  # for one picture
STARTS: Final = 2  # one may be killed while it starts
START_SECONDS: Final = 60.0  # for a child to import what it needs, on a slow and busy machine
log = structlog.get_logger(__name__)


class Intake:
    """Asks the child about one file at a time."""

    def __init__(self, limits: IntakeLimits, deadline: float = DEADLINE_SECONDS) -> None:
        self._arguments = [f"--limits={json.dumps(asdict(limits))}"]
        self._deadline = deadline
        self._child: Child | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the child ahead of the first upload."""
        async with self._turn:
            await self._ready_child()

    async def probe(self, path: Path) -> Header:
        """The header of the picture at `path`.

        Raises:
            BrokenImage, ImageTooLarge, UnsupportedFormat: as the child found it.
            BrokenImage: the child died of it, or took too long.
        """
        async with self._turn:
            answer = await self._ask(path)
            if answer is None:  # it may have died before it had the picture, of which the picture is innocent
                answer = await self._ask(path)
        if answer is None:
            raise BrokenImage("the picture's header cannot be read")
        if answer.fault is not None:
            raise answer.fault.error()
        assert answer.header is not None
        return answer.header

    async def _ask(self, path: Path) -> Probed | None:
        """What a child says of a picture; None where it died.

        Raises:
            BrokenImage: it took too long.
        """
        child = await self._ready_child()
        child.send(Probe(source=FileRef(path=str(path))))
        try:
            async with asyncio.timeout(self._deadline):
                answer = await child.answer()
        except TimeoutError:
            await self._drop(child)
            raise BrokenImage("the picture's header takes too long to read") from None
        except BaseException:  # its answer would be taken for that to the next question
            await self._drop(child)
            raise
        if isinstance(answer, Probed):
            return answer
        await self._drop(child)
        return None

    async def close(self) -> None:
        async with self._turn:
            if self._child is not None:
                await self._drop(self._child)

    async def _ready_child(self) -> Child:
        if self._child is not None and self._child.exit_code is None:
            return self._child
        for _ in range(STARTS):
            child = self._child = await Child.spawn("daemon.engine.intake", self._arguments)
            try:
                async with asyncio.timeout(START_SECONDS):
                    if isinstance(await child.answer(), Ready):
                        return child
            except TimeoutError:
                pass
            except BaseException:
                await self._drop(child)
                raise
            await self._drop(child)
            log.error("intake_not_started", exit_code=child.exit_code)
        raise IntakeUnavailable("the reader of headers does not start; try again in a moment", retry_after=5)

    async def _drop(self, child: Child) -> None:
        self._child = None
        await child.close()
        log.info("intake_ended", exit_code=child.exit_code)
