"""One daemon, watched from its spawn to its exit: heartbeat, `/health` over the real socket, and its way out."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import structlog

from supervisor.child import Child
from supervisor.errors import BOOT_FAILURE
from supervisor.heartbeat import Deadlines, Heartbeat, HeartbeatReader, Missed
from supervisor.probe import HealthProbe, ProbeTiming
from supervisor.restart_policy import CONFIGURATION_CODES, Ending

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watch:
    """How a daemon is watched: the deadlines of its heartbeat, and where and how often its `/health` is asked."""

    deadlines: Deadlines
    probe: ProbeTiming
    host: str
    port: int


class Push(IntEnum):
    """How hard a daemon is asked to go. A harder push takes the place of a softer one, never the other way round."""

    HAND_OVER = 1
    DRAIN = 2
    HURRY = 3
    ABORT = 4


class Life:
    """A daemon that runs. `standing_by` and `ready` are set when it says so; `ended` tells how it went."""

    def __init__(self, child: Child, watch: Watch, *, on_ready: Callable[[Life], None]) -> None:
        self.pid = child.pid
        self.standing_by = asyncio.Event()
        self.ready = asyncio.Event()
        self._child = child
        self._watch = watch
        self._on_ready = on_ready
        self._heartbeat = Heartbeat(watch.deadlines, now=time.monotonic())
        self._reader = HeartbeatReader(
            child.heartbeat,
            self._heartbeat,
            on_standby=self.standing_by.set,
            on_ready=self._become_ready,
            on_missed=self._on_missed,
        )
        self._probing: asyncio.Task[None] | None = None
        self._pushed = 0
        self._leaving: asyncio.Task[None] | None = None
        self._life = asyncio.create_task(self._live())

    async def ended(self) -> Ending:
        """How it ended, once it has."""
        return await asyncio.shield(self._life)

    @property
    def over(self) -> bool:
        return self._life.done()

    def go(self) -> None:
        """It is the standby's turn: from here its start deadline counts."""
        self._reader.go()

    def hand_over(self, deadline: float) -> None:
        """Ask it to make way for the standby."""
        self._push(Push.HAND_OVER, lambda: self._child.hand_over(deadline))

    def drain(self, deadline: float) -> None:
        """Ask it to finish what is in flight and go."""
        self._push(Push.DRAIN, lambda: self._child.drain(deadline))

    def hurry(self) -> None:
        """Ask it to put back what is in flight and go."""
        self._push(Push.HURRY, self._child.hurry)

    def kill(self) -> None:
        self._child.kill()

    def _push(self, push: Push, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if push <= self._pushed or self.over:
            return
        self._pushed = push
        self._stop_probing()  # one that drains does not accept
        if self._leaving:
            self._leaving.cancel()
        self._leaving = asyncio.create_task(make())

    async def _live(self) -> Ending:
        try:
            code = await self._child.wait()
        finally:
            self._reader.close()
            self._stop_probing()
        if self._leaving:
            self._leaving.cancel()
        ending = Ending(code, self._heartbeat.ready_at, time.monotonic())
        log.info("daemon_exited", pid=self.pid, code=code, ready_for=round(ending.ready_for, 3))
        return ending

    def _become_ready(self) -> None:
        self.ready.set()
        if not self._pushed:
            probe = HealthProbe(self._watch.host, self._watch.port, self._watch.probe, on_failed=self._on_no_answer)
            self._probing = asyncio.create_task(probe.run())
        self._on_ready(self)

    def _stop_probing(self) -> None:
        if self._probing:
            self._probing.cancel()

    def _on_missed(self, missed: Missed) -> None:
        log.error("daemon_hung", pid=self.pid, deadline=missed.value)
        self._push(Push.ABORT, self._child.abort)

    def _on_no_answer(self, reason: str) -> None:
        log.error("daemon_hung", pid=self.pid, deadline="health", reason=reason)
        self._push(Push.ABORT, self._child.abort)


def sentence(ending: Ending) -> str:
    """For a person: how a daemon ended."""
    if ending.code < 0:
        try:
            name = signal.Signals(-ending.code).name
        except ValueError:
            name = f"signal {-ending.code}"
        how = f"was ended by {name}"
    elif ending.code in CONFIGURATION_CODES:
        how = "refused its settings"
    elif ending.code == BOOT_FAILURE:
        how = "failed to start"
    else:
        how = f"exited with code {ending.code}"
    when = f"after {ending.ready_for:.0f} s of serving" if ending.ready_at is not None else "before it was ready"
    return f"the daemon {how} {when}"
