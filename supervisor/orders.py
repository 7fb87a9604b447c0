"""What people and systemd order by signals. TERM and INT stop (again: sooner), HUP restarts as planned, QUIT leaves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import structlog

from supervisor.log import STDERR

log = structlog.get_logger()

_ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def take_signals_back() -> None:
    """Whatever our parent ignored or blocked, which exec keeps: an ignored SIGCHLD hides the daemon's exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


async def undisturbed_at_the_end(run: Awaitable[int]) -> int:
    """What `run` returns; orders that come after it would only change the exit code.

    A loop gives its signals back to the system when it closes, which would end us: they are taken from it before. For
    that moment they are held back.
    """
    try:
        return await run
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ORDERS)
        for number in _ORDERS:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


class Orders:
    """Signals as they arrive in the loop, kept as events; `on_stop` is told how often a stop was asked for."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.leave = asyncio.Event()
        self.reload = asyncio.Event()
        self.on_stop: Callable[[int], None] = lambda _: None
        self._stops = 0
        self._terminal = os.isatty(STDERR)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGQUIT, self._leave)

    def _stop(self, number: signal.Signals) -> None:
        self._stops += 1
        self.reload.clear()
        log.info("stop_asked", signal=number.name, again=self._stops > 1)
        self.stop.set()
        self.on_stop(self._stops)

    def _reload(self) -> None:
        # A session that ends sends TERM and HUP, and a shell repeats what its terminal sent: neither asks for haste,
        # and a standby that nobody told to stop would outlive the stop.
        if self.stop.is_set():
            return
        # Also what a terminal sends that is closed. Nobody watches then, so it means what ^C means.
        if self._terminal and not os.isatty(STDERR):
            self._stop(signal.SIGHUP)
            return
        log.info("planned_restart_asked")
        self.reload.set()

    def _leave(self) -> None:
        log.info("leave_asked")
        self.leave.set()
        self.stop.set()
