"""A process held by its pidfd, so that a signal can never reach another that was given the same number later.

The order that makes it safe: open the handle, then look at what proves whose the process is, then ask `alive`. As long
as it lives its number is nobody else's, so all that was read of that number was read of this very process.

Where there is no pidfd (macOS, a sandbox that forbids it) the proof itself, such as the holder of the record lock, is
asked right before each signal and again for its end: a window of microseconds is left. Rejected: psutil's own signals,
which compare start times and then call kill the same way.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import structlog

ASK_EVERY = 0.02  # where nothing tells of a process's end
_TO_ITS_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
_NO_PIDFD = {errno.ENOSYS, errno.EPERM}  # an old kernel, a sandbox; to open one needs no right over the process

log = structlog.get_logger()

Step = tuple[signal.Signals, float]  # what is sent, and how long its effect is waited for


class ProcessHandle:
    """A context manager. `proven` asks anew whether the pid is still the process that is meant."""

    def __init__(self, pid: int, proven: Callable[[], bool]) -> None:
        """Raises ProcessLookupError where the pid is nobody's, or that of a mere thread."""
        self.pid = pid
        self._proven = proven
        self._pidfd = _open_pidfd(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    @property
    def alive(self) -> bool:
        if self._pidfd is None:
            return self._proven()
        watched = select.poll()  # not select(), which knows no descriptor above 1023
        watched.register(self._pidfd, select.POLLIN)
        return not watched.poll(0)

    def send(self, number: signal.Signals) -> bool:
        """Whether it was there to be signalled; raises PermissionError where it is not ours to signal."""
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
                return True
            if not self._proven():
                return False
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    async def gone_within(self, seconds: float) -> bool:
        """Wait for its end. Dead is gone: a zombie holds no lock and no socket."""
        try:
            async with asyncio.timeout(seconds):
                await (self._poll() if self._pidfd is None else _readable(self._pidfd))
        except TimeoutError:
            return False
        return True

    async def end(self, steps: Sequence[Step]) -> bool:
        """One signal after the other until it is gone; False where it outlives them all (it hangs in the kernel)."""
        for number, seconds in steps:
            if self.send(number):
                self.send(signal.SIGCONT)  # to one that is stopped, all but KILL would only stay pending
            if await self.gone_within(seconds):
                return True
            log.warning("process_outlives_signal", pid=self.pid, signal=number.name, waited=seconds)
        return False

    def kill_its_group(self) -> None:
        """What the process started as leader of its group, also when itself is gone: the pidfd keeps the group's
        number from being another's. Does nothing before Linux 6.9, where workers end when their pipe does.
        """
        if self._pidfd is None:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL, None, _TO_ITS_GROUP)
        except OSError as error:
            if error.errno not in {errno.ESRCH, errno.EINVAL, errno.EPERM}:
                raise

    async def _poll(self) -> None:
        while self._proven():  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(ASK_EVERY)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)


def _open_pidfd(pid: int) -> int | None:
    nobody = ProcessLookupError(errno.ESRCH, f"no process has the pid {pid}")
    if pid <= 0:  # to kill(), groups
        raise nobody
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OverflowError:
        raise nobody from None
    except OSError as error:
        if error.errno in _NO_PIDFD:
            return None
        raise nobody from error
