"""The daemon as a child: spawned with what it inherits, signalled and waited for through its pidfd.

The daemon is in a session of its own, so a ^C at the terminal arrives once, here. Rejected: PR_SET_PDEATHSIG (it
fires when the parent's thread ends, not its process), hence the lifeline; and a pipe for its output, which a stalled
reader would turn into a stalled daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from supervisor.log import write_out

log = structlog.get_logger()

ABORT_DEADLINE = 3.0  # for faulthandler to write the tracebacks
WRITE_OUT_SECONDS = 0.2  # of our own loop, in which nobody reads our log
HURRY_DEADLINE = 3.0  # for jobs to be put back into the queue
_OURS_ALONE = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "PRO_ENGINE_STANDBY",
    }
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a daemon is started with."""

    command: tuple[str, ...]
    listeners: tuple[int, ...]
    instance: str
    environ: Mapping[str, str]
    standby: bool = False
    safe_mode: bool = False
    restarts: int = 0  # of the daemon, until this one


def child_environ(launch: Launch, *, lifeline: int, heartbeat: int) -> dict[str, str]:
    """Ours without what systemd meant for us alone, and with the numbers of the descriptors that are passed.

    Not LISTEN_FDS: its LISTEN_PID cannot be known before the fork.
    """
    environ = {name: value for name, value in launch.environ.items() if name not in _OURS_ALONE}
    environ |= {
        "PRO_ENGINE_LISTEN_FDS": ",".join(map(str, launch.listeners)),
        "PRO_ENGINE_LIFELINE_FD": str(lifeline),
        "PRO_ENGINE_HEARTBEAT_FD": str(heartbeat),
        "PRO_ENGINE_INSTANCE": launch.instance,
        "PRO_ENGINE_RESTARTS": str(launch.restarts),
        "PYTHONFAULTHANDLER": "1",
    }
    if launch.standby:
        environ["PRO_ENGINE_STANDBY"] = "1"
    if launch.safe_mode:
        environ["PRO_ENGINE_SAFE_MODE"] = "1"
    return environ


class Child:
    """One running daemon. `heartbeat` is the reading end of its pipe, and whoever reads it closes it."""

    def __init__(self, spawned: subprocess.Popen[bytes], *, heartbeat: int, lifeline: int) -> None:
        self.pid = spawned.pid
        self.heartbeat = heartbeat
        self._spawned = spawned
        self._lifeline = lifeline
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = _open_pidfd(spawned.pid)
        if self._pidfd is None:
            threading.Thread(target=self._wait_in_thread, daemon=True, name="wait-for-daemon").start()
        else:
            self._loop.add_reader(self._pidfd, self._on_exit, self._pidfd)

    async def wait(self) -> int:
        """The exit code, or minus the signal."""
        return await asyncio.shield(self._exited)

    def send_signal(self, number: signal.Signals) -> None:
        if self._exited.done():
            return
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd is None:
                self._spawned.send_signal(number)
            else:
                signal.pidfd_send_signal(self._pidfd, number)

    async def drain(self, deadline: float) -> None:
        """Ask it to finish what is in flight, for good; abort it at the deadline."""
        await self._leave(signal.SIGTERM, deadline)

    async def hand_over(self, deadline: float) -> None:
        """Ask it to make way for a standby: it refuses nothing until then."""
        await self._leave(signal.SIGHUP, deadline)

    async def hurry(self) -> None:
        """It puts its jobs back and goes; killed where it does not.

        Two signals, since it has to be told twice and may not have been told once; one kind sent twice may arrive once.
        """
        self.send_signal(signal.SIGTERM)
        self.send_signal(signal.SIGINT)
        self.send_signal(signal.SIGCONT)
        if not await self._exits_within(HURRY_DEADLINE):
            self.kill()

    async def _leave(self, asked_by: signal.Signals, deadline: float) -> None:
        self.send_signal(asked_by)
        self.send_signal(signal.SIGCONT)  # to one that is stopped, the signal would only stay pending
        if not await self._exits_within(deadline):
            log.warning("daemon_drain_deadline_missed", pid=self.pid, deadline=deadline)
            await self.abort()

    async def abort(self) -> None:
        """End one that hangs: ABRT makes faulthandler write the traceback of every thread, then KILL."""
        write_out(WRITE_OUT_SECONDS)  # its tracebacks go to the same place, and would break our lines in two
        self.send_signal(signal.SIGABRT)
        self.send_signal(signal.SIGCONT)
        if not await self._exits_within(ABORT_DEADLINE):
            self.kill()

    def kill(self) -> None:
        log.warning("daemon_killed", pid=self.pid)
        self.send_signal(signal.SIGKILL)

    async def _exits_within(self, seconds: float) -> bool:
        await asyncio.wait({self._exited}, timeout=seconds)
        return self._exited.done()

    def _on_exit(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        # What it started has no owner now. Not reaped yet, the daemon still reserves the number of its group, so the
        # signal cannot reach anyone else's. It goes before the next daemon starts, which wants the same GPU.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._spawned.wait()
        os.close(pidfd)
        self._pidfd = None
        self._finish(code)

    def _wait_in_thread(self) -> None:
        """Where there is no pidfd (macOS). The group is left alone: once reaped, its number may be another's."""
        code = self._spawned.wait()
        self._loop.call_soon_threadsafe(self._finish, code)

    def _finish(self, code: int) -> None:
        os.close(self._lifeline)
        self._exited.set_result(code)


def spawn(launch: Launch) -> Child:
    """Start the daemon; raises OSError when the command cannot be executed."""
    # The lifeline's writing end is here alone, so its end of file tells that we are gone.
    (lifeline, lifeline_held), (heartbeat, heartbeat_written) = _two_pipes()
    try:
        spawned = subprocess.Popen(
            launch.command,
            stdin=subprocess.DEVNULL,
            pass_fds=(*launch.listeners, lifeline, heartbeat_written),
            start_new_session=True,
            env=child_environ(launch, lifeline=lifeline, heartbeat=heartbeat_written),
        )
    except BaseException:
        os.close(lifeline_held)
        os.close(heartbeat)
        raise
    finally:
        os.close(lifeline)
        os.close(heartbeat_written)
    return Child(spawned, heartbeat=heartbeat, lifeline=lifeline_held)


def _two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Both or none."""
    one = os.pipe()
    try:
        return one, os.pipe()
    except OSError:
        for fd in one:
            os.close(fd)
        raise


def _open_pidfd(pid: int) -> int | None:
    """A descriptor that can never mean another process; our own child's number is safe until we reap it."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
