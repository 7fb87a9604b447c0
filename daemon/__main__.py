"""`python -m daemon`: the bare daemon, as the supervisor starts it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from daemon import log, settings
from daemon.errors import StoreTooNew, WrongSettings
from daemon.fair_loop import FairLoop
from daemon.lifecycle import LOCK_RETRY_SECONDS, Heartbeat, RecordLock, SupervisorGone
from daemon.quick_imports import uncollected, without_certificates
from daemon.runtime_file import running_url
from daemon.settings import Settings

STDOUT: Final = 1
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_CRASHED: Final = 1
EXIT_FAILED: Final = 3
EXIT_RESTART: Final = 75
EXIT_CONFIG: Final = 78
EXIT_ALREADY_RUNNING: Final = 100
LOCK_SECONDS: Final = 10.0
PUBLISH_SECONDS: Final = 3.0  # for the one who runs already to say where


def main() -> int:
    """Read, load, wait for the store, serve. The exit code tells the supervisor what to do about it."""
    log.hold_descriptors()
    _end_at_once_when_told()
    try:
        values = settings.read()
        held = list(settings.held_until_restart(os.environ))
    except WrongSettings as error:
        _say_last(log.STDERR, f"pro-engine: {error.message}")
        return EXIT_CONFIG
    log.set_up(values.log_format)
    log.take_over()
    logger = log.named("daemon")
    for one in held:
        logger.warning("setting_needs_restart", **dataclasses.asdict(one))
    ready: list[bool] = []
    try:
        return _live(values, lambda: ready.append(True))
    except SupervisorGone:
        return 0
    except StoreTooNew as error:
        logger.error("store_too_new", reason=error.message)  # noqa: TRY400, the reason says it all
        return EXIT_CONFIG
    except Exception:
        logger.exception("daemon_broke" if ready else "daemon_failed_to_start")
        return EXIT_CRASHED if ready else EXIT_FAILED
    finally:
        _ignore_signals()


def _ignore_signals(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """The process ends already, by the code that it has.

    A loop gives its signals back to the system when it closes, which would end us: they are taken from it before. For
    that moment they are held back.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in SIGNALS:
        if loop is not None:
            loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _end_at_once_when_told() -> None:
    """Until the loop takes the signals over, nothing is open that would have to be closed."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # there is nothing to hand over yet


def _live(values: Settings, on_ready: Callable[[], None]) -> int:
    with without_certificates(), uncollected():
        from daemon.app import serve  # here, where what it breaks on is told and makes exit code 3

    # its own supervisor, then: the lock is held to the end of the process
    if values.is_bare and not RecordLock(values.folders.state / "supervisor.lock").take(0):
        return _tell_already_running(values)
    if values.standby and values.heartbeat_fd is not None:
        Heartbeat(values.heartbeat_fd).stand_by()
    lock = RecordLock(values.folders.state / "store.lock")
    if not lock.take(math.inf if values.standby else LOCK_SECONDS, values.lifeline_fd):
        log.named("daemon").error("store_taken", folder=str(values.folders.state))
        return EXIT_RESTART

    async def serve_and_give_up_the_lock() -> None:
        try:
            await serve(values, on_ready)
        finally:
            lock.release()
            _ignore_signals(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=FairLoop) as runner:
        runner.run(serve_and_give_up_the_lock())
    return 0


def _tell_already_running(values: Settings) -> int:
    """A supervisor has these folders, or another bare daemon."""
    deadline = time.monotonic() + PUBLISH_SECONDS
    while (url := running_url(values.folders.runtime_file)) is None and time.monotonic() < deadline:
        time.sleep(LOCK_RETRY_SECONDS)
    _say_last(STDOUT, f"Pro Engine already runs at {url}" if url else "Pro Engine is already starting or stopping")
    return EXIT_ALREADY_RUNNING


def _say_last(fd: int, sentence: str) -> None:
    """Straight to its reader; that there is none must not become the exit code, which decides what follows."""
    with contextlib.suppress(OSError):
        os.write(fd, f"{sentence}\n".encode(errors="backslashreplace"))


if __name__ == "__main__":
    if sys.argv[1:]:
        _say_last(
            log.STDERR, "usage: python -m daemon; its settings come from the environment, see `pro-engine config`"
        )
        sys.exit(os.EX_USAGE)
    sys.exit(main())
