"""Keeps a daemon behind the listener until it is told to stop, and publishes how it goes."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import structlog

from supervisor import runtime_file, spawned
from supervisor.child import Launch, spawn
from supervisor.handover import StandbyFailed, first_of, hand_over
from supervisor.life import Life, Watch, sentence
from supervisor.notify import Notifier
from supervisor.opening import holders_of_wanted_port
from supervisor.orders import Orders
from supervisor.outage import Outage, OutageReport
from supervisor.proof import prove
from supervisor.publication import Publication
from supervisor.restart_policy import Degraded, Ending, GiveUp, RestartPolicy
from supervisor.settings import Settings
from supervisor.socket import Listener

log = structlog.get_logger()

LONG_PAUSE = 2.0  # below it a client is better off waiting in the backlog than being told to come back
ENDING_SECONDS = 15.0  # tracebacks, a kill, our own exit: what a stop may take beyond the drain deadline
# The command itself is wrong; anything else that fails a spawn (no memory, no process to be had) may pass.
_NOT_EXECUTABLE = (FileNotFoundError, PermissionError, NotADirectoryError)


class Supervisor:
    """Keeps a daemon behind the listener, and says how it goes."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        random: Random,
        listener: Listener,
        notifier: Notifier,
        orders: Orders,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._listener = listener
        self._notifier = notifier
        self._orders = orders
        self._policy = RestartPolicy(settings.backoff, settings.intensity, random)
        self._instance = secrets.token_hex(16)
        self._lives: list[Life] = []  # the daemon, and a standby behind it
        self._restarts = 0
        runtime = replace(
            runtime_file.describe_ourselves(self._instance, listener.host, listener.port),
            wanted_port=listener.wanted_port,
            port_taken_by=holders_of_wanted_port(listener),
        )
        self._publication = Publication(runtime, notifier, settings.state_dir, settings.shared_dir)
        for sock in listener.extra:
            notifier.drop(sock)
        notifier.keep(listener.sock)
        orders.on_stop = self._on_stop

    def close(self) -> None:
        self._publication.withdraw()
        for sock in self._listeners:
            sock.close()

    @property
    def _listeners(self) -> tuple[socket.socket, ...]:
        return (self._listener.sock, *self._listener.extra)

    async def keep_daemon_alive(self) -> int:
        """Until told to stop; the exit code."""
        while not self._orders.stop.is_set():
            ending = await self._live()
            if ending is None or self._orders.stop.is_set():
                break
            self._restarts += 1
            decision = self._policy.decide(ending)
            if isinstance(decision, GiveUp):
                log.error("giving_up", daemon_code=ending.code, exit_code=decision.exit_code)
                return decision.exit_code
            if isinstance(decision, Degraded):
                await self._stay_degraded(ending, decision.retry_after)
                continue
            log.warning("daemon_restarting", delay=round(decision.delay, 3), failures=self._policy.failures)
            self._tell("restarting", sentence(ending), last_ending=sentence(ending), daemon_pid=None)
            if decision.delay < LONG_PAUSE:
                await self._pause(decision.delay)
            else:
                await self._answer_meanwhile(self._report(ending, decision.delay), decision.delay)
        log.info("stopped")
        return os.EX_OK

    async def _live(self) -> Ending | None:
        """From a spawn to the end of the daemon, or of the one that took its place; None where we leave it behind."""
        self._take_reload()  # a daemon that starts now has the newest settings already
        self._tell("starting", self._publication.runtime.last_ending)
        try:
            life = self._spawn()
        except OSError as error:
            log.error("daemon_not_started", command=self._settings.daemon_command, error=str(error))  # noqa: TRY400
            code = os.EX_CONFIG if isinstance(error, _NOT_EXECUTABLE) else os.EX_OSERR
            return Ending(code, None, time.monotonic())
        while not life.over:
            await first_of(life.ended(), self._orders.reload.wait(), self._orders.leave.wait())
            if self._orders.leave.is_set():
                return None
            if self._orders.reload.is_set() and not life.over:
                life = await self._replace(life)
        return await life.ended()

    def _spawn(self, *, standby: bool = False) -> Life:
        """Start a daemon and watch it. Raises OSError when its command cannot be executed."""
        settings = self._settings
        launch = Launch(
            settings.daemon_command,
            tuple(sock.fileno() for sock in self._listeners),
            self._instance,
            self._environ,
            standby=standby,
            safe_mode=self._policy.safe_mode and not standby,
            restarts=self._restarts,
        )
        child = spawn(launch)
        spawned.remember(settings.state_dir, child.pid, self._instance)
        log.info("daemon_started", pid=child.pid, standby=standby, safe_mode=launch.safe_mode)
        self._notifier.extend(settings.deadlines.start + ENDING_SECONDS)
        runtime = self._publication.runtime
        watch = Watch(settings.deadlines, settings.probe, runtime.host, runtime.port)
        life = Life(child, watch, on_ready=lambda life: self._on_ready(life, safe_mode=launch.safe_mode))
        self._lives = [*(one for one in self._lives if not one.over), life]
        return life

    async def _replace(self, current: Life) -> Life:
        """A planned restart: the daemon that serves after it, which is the old one where the new one cannot run."""
        self._take_reload()
        self._tell("reloading", "a restart was asked for")
        try:
            standby = self._spawn(standby=True)
            handing_over = asyncio.create_task(hand_over(current, standby, self._settings.drain_deadline))
            await first_of(asyncio.wait([handing_over]), self._orders.leave.wait())
            if not handing_over.done():
                handing_over.cancel()
                return current
            handing_over.result()
        except (StandbyFailed, OSError) as error:
            if not self._orders.stop.is_set():
                self._call_off(current, str(error))
            return current
        self._policy.forget()
        return standby

    def _call_off(self, current: Life, reason: str) -> None:
        """What there was before goes on. One that still starts tells systemd itself when it is ready."""
        state, *notices = ("serving", "READY=1") if current.ready.is_set() else ("starting",)
        self._tell(state, f"the planned restart was called off: {reason}", *notices)
        log.error("planned_restart_called_off", reason=reason)

    async def _stay_degraded(self, ending: Ending, retry_after: float) -> None:
        """Wait for the next try, or until somebody has mended something."""
        report = self._report(ending, retry_after)
        log.error("degraded", reason=report.reason, error_id=report.error_id, retry_after=round(retry_after, 3))
        # READY, because we do serve: systemd would end a unit that is not ready in time, and our socket with it
        self._tell("degraded", report.reason, "READY=1", last_ending=sentence(ending), daemon_pid=None)
        await self._answer_meanwhile(report, retry_after)

    def _report(self, ending: Ending, seconds: float) -> OutageReport:
        reason = f"{sentence(ending)}; it is tried again in {math.ceil(seconds)} s"
        retry_at = asyncio.get_running_loop().time() + seconds
        return OutageReport(reason, secrets.token_hex(4), retry_at, self._restarts)

    async def _answer_meanwhile(self, report: OutageReport, seconds: float) -> None:
        async with Outage(self._listeners, report, prove=self._prove, origins=self._settings.origins):
            await self._pause(seconds)

    def _prove(self, challenge: str, port: int) -> str | None:
        return prove(self._settings.state_dir, challenge, port)

    async def _pause(self, seconds: float) -> None:
        await first_of(self._orders.stop.wait(), self._orders.reload.wait(), seconds=seconds)
        if self._take_reload():
            self._policy.forget()

    def _take_reload(self) -> bool:
        """Whether a planned restart was asked for; what follows is that restart, and ends with READY=1."""
        asked = self._orders.reload.is_set()
        if asked:
            self._orders.reload.clear()
            self._notifier.reloading()
        return asked

    def _on_ready(self, life: Life, *, safe_mode: bool) -> None:
        if self._orders.stop.is_set():  # told to go while it started: what it is now is stopping
            return
        why = "safe mode: the GPU is left alone, since starts with it failed" if safe_mode else None
        self._tell("serving", why, "READY=1", daemon_pid=life.pid, safe_mode=safe_mode)
        log.info("daemon_ready", pid=life.pid, url=self._publication.runtime.url)

    def _on_stop(self, times: int) -> None:
        if times == 1:
            self._notifier.extend(self._settings.drain_deadline + ENDING_SECONDS)
            self._tell("stopping", None, "STOPPING=1")
        for life in self._lives:
            if times == 1:
                life.drain(self._settings.drain_deadline)
            elif times == 2:  # noqa: PLR2004
                life.hurry()
            else:
                life.kill()

    def _tell(self, state: str, why: str | None = None, *notices: str, **changes: object) -> None:
        self._publication.tell(state, why, *notices, restarts=self._restarts, **changes)
