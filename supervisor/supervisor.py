"""Takes the lock, opens the listener, publishes it, and keeps a daemon behind it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import MutableMapping
from random import Random

import structlog

from supervisor import runtime_file
from supervisor.child import Child, spawn
from supervisor.heartbeat import Heartbeat, HeartbeatReader, Missed
from supervisor.lock import take_lock
from supervisor.notify import Notifier
from supervisor.restart_policy import Ending, GiveUp, RestartPolicy
from supervisor.runtime_file import RuntimeFile
from supervisor.settings import Settings
from supervisor.socket import Listener, open_listener, take_inherited

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# The command itself is wrong; anything else that fails a spawn (no memory, no process to be had) may pass.
_NOT_EXECUTABLE = (FileNotFoundError, PermissionError, NotADirectoryError)


class Supervisor:
    """One run: `open`, `keep_daemon_alive`, `close`. Signals arrive in the loop, through `_on_stop_signal`."""

    def __init__(self, settings: Settings, environ: MutableMapping[str, str], random: Random) -> None:
        self._settings = settings
        self._environ = environ
        self._random = random
        self._policy = RestartPolicy(settings.backoff, random)
        self._notifier = Notifier(environ)
        self._instance = secrets.token_hex(16)
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._ending: asyncio.Task[None] | None = None  # drains or aborts the child

    async def run(self) -> int:
        listener = await self._open()
        runtime = runtime_file.describe_ourselves(self._instance, listener.host, listener.port)
        pinging = asyncio.create_task(self._notifier.ping())
        try:
            self._publish(runtime)
            return await self._keep_daemon_alive(listener, runtime)
        finally:
            self._notifier.send("STOPPING=1")
            pinging.cancel()
            with contextlib.suppress(OSError):
                runtime_file.withdraw(runtime, self._settings.state_dir)
            listener.sock.close()

    async def _open(self) -> Listener:
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_stop_signal, number)
        inherited = take_inherited(self._environ, self._settings.port)
        await take_lock(self._settings.state_dir)
        listener = inherited or await open_listener(self._settings.host, self._settings.port, random=self._random)
        if listener.fell_back:
            _tell_port_taken(listener)
        log.info("listening", host=listener.host, port=listener.port, inherited=listener.inherited)
        return listener

    def _publish(self, runtime: RuntimeFile) -> None:
        try:
            runtime_file.publish(runtime, self._settings.state_dir)
        except OSError as error:  # a full disk: clients that know the port are served all the same
            log.error("runtime_file_not_published", error=str(error))  # noqa: TRY400  the sentence says it all

    async def _keep_daemon_alive(self, listener: Listener, runtime: RuntimeFile) -> int:
        while not self._stopping.is_set():
            self._notifier.send("STATUS=starting the daemon")
            ending = await self._live_once(listener, runtime)
            if self._stopping.is_set():
                break
            decision = self._policy.decide(ending)
            if isinstance(decision, GiveUp):
                log.error("giving_up", daemon_code=ending.code, exit_code=decision.exit_code)
                return decision.exit_code
            log.warning("daemon_restarting", delay=round(decision.delay, 3), failures=self._policy.failures)
            self._notifier.send(f"STATUS=daemon ended ({ending.code}), restarting in {decision.delay:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), decision.delay)
        log.info("stopped")
        return os.EX_OK

    async def _live_once(self, listener: Listener, runtime: RuntimeFile) -> Ending:
        """One life of the daemon, from spawn to exit."""
        command, deadlines = self._settings.daemon_command, self._settings.deadlines
        try:
            child = spawn(command, listeners=[listener.sock.fileno()], instance=self._instance, environ=self._environ)
        except OSError as error:
            log.error("daemon_not_started", command=command, error=str(error))  # noqa: TRY400
            code = os.EX_CONFIG if isinstance(error, _NOT_EXECUTABLE) else os.EX_OSERR
            return Ending(code, None, time.monotonic())
        self._child = child
        log.info("daemon_started", pid=child.pid)
        heartbeat = Heartbeat(deadlines, now=time.monotonic())
        reader = HeartbeatReader(
            child.heartbeat,
            heartbeat,
            on_ready=lambda: self._on_ready(child, runtime),
            on_missed=lambda missed: self._on_missed(child, missed),
        )
        try:
            code = await child.wait()
        finally:
            reader.close()
            self._child = None
        if self._ending:
            self._ending.cancel()
            self._ending = None
        ending = Ending(code, heartbeat.ready_at, time.monotonic())
        log.info("daemon_exited", pid=child.pid, code=code, ready_for=round(ending.ready_for, 3))
        return ending

    def _on_ready(self, child: Child, runtime: RuntimeFile) -> None:
        log.info("daemon_ready", pid=child.pid, url=runtime.url)
        self._notifier.send("READY=1", f"STATUS=serving on {runtime.url}")

    def _on_missed(self, child: Child, missed: Missed) -> None:
        log.error("daemon_hung", pid=child.pid, deadline=missed.value)
        if self._ending:  # it hangs while it drains
            self._ending.cancel()
        self._ending = asyncio.create_task(child.abort())

    def _on_stop_signal(self, number: signal.Signals) -> None:
        log.info("stop_asked", signal=number.name, again=self._stopping.is_set())
        if self._stopping.is_set() and self._child:
            self._child.kill()
        elif self._child and not self._ending:  # one that is being aborted already is on its way
            self._notifier.send("STOPPING=1", "STATUS=draining")
            self._ending = asyncio.create_task(self._child.drain(self._settings.drain_deadline))
        self._stopping.set()


def _tell_port_taken(listener: Listener) -> None:
    """To the log, and as a plain sentence to the person at the terminal."""
    holders = [str(holder) for holder in listener.taken_by] or ["an open connection"]
    log.warning("port_taken", wanted=listener.wanted_port, using=listener.port, holders=holders)
    sentence = f"Port {listener.wanted_port} is held by {' and '.join(holders)}; using {listener.port} instead."
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)
