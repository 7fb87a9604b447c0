"""structlog, set up once: JSON lines on standard error, coloured lines on a terminal.

A thread writes them, so that a reader who stalls (`pro-engine run 2>&1 | less`) stalls no supervisor. What does not fit
in the queue is dropped and counted. Rejected: a descriptor that does not block; the shell shares that property of it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from enum import Enum
from typing import Any

if "rich" in sys.modules:
    import structlog
else:
    sys.modules["rich"] = None  # type: ignore[assignment]  # structlog does without it, and loads in a quarter of the time
    import structlog

    del sys.modules["rich"]

STDERR = 2
MOST_BYTES = 1 << 18  # that wait
FLUSH_SECONDS = 1.0  # at the end
BLOCKED_SECONDS = 1.0


class LogFormat(Enum):
    AUTO = "auto"
    JSON = "json"
    PRETTY = "pretty"


class LineWriter:
    """The queue and its thread. How many lines were dropped is logged once a reader is back."""

    def __init__(self, fd: int = STDERR, most_bytes: int = MOST_BYTES) -> None:
        self._fd = fd
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # that wait, the line that is being written among them
        self._lost = 0
        self._changed = threading.Condition()  # reentrant: the collector may run something that logs within `msg`
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def msg(self, text: str) -> None:
        line = f"{text}\n".encode(errors="backslashreplace")
        with self._changed:
            if self._bytes + len(line) > self._most_bytes and threading.current_thread() is not self._thread:
                self._lost += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    debug = info = warning = error = critical = msg

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, seconds)

    def _write_all(self) -> None:
        # The main thread's to take, or to hold back at the end.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                line = self._lines.popleft()
            taken = self._write(line)
            with self._changed:
                lost = self._lost if taken and self._bytes <= self._most_bytes // 2 else 0
                self._lost += -lost if taken else 1
            if lost:
                structlog.get_logger().warning("log_lines_dropped", count=lost)
            with self._changed:
                self._bytes -= len(line)
                self._changed.notify_all()

    def _write(self, line: bytes) -> bool:
        """False where nobody reads any more: that must not end the supervisor."""
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # another program has made it so
                with contextlib.suppress(OSError, ValueError):
                    select.select([], [self._fd], [], BLOCKED_SECONDS)
            except OSError:
                return False
        return True


class _Relay(logging.Handler):
    """What asyncio has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().error("python", message=record.getMessage(), exc_info=record.exc_info)


_writers: list[LineWriter] = []  # one a process


def _writer() -> LineWriter:
    if not _writers:
        _writers.append(LineWriter())
        atexit.register(_writers[0].flush)
    return _writers[0]


def hold_descriptors() -> None:
    """Where we were started without one of the standard descriptors, a lock or a pipe would get its number, and our
    lines with it.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
            os.set_inheritable(fd, True)  # the daemon must not find it closed either


def say_last(fd: int, sentence: str) -> None:
    """What ends the process, straight to its reader; that there is none must not become the exit code."""
    with contextlib.suppress(OSError):
        os.write(fd, f"{sentence}\n".encode(errors="backslashreplace"))


def say(sentence: str) -> None:
    """A plain line for the person at the terminal, on the same way as the log."""
    _writer().msg(sentence)


def write_out(seconds: float) -> None:
    """Wait until what was logged is written, since another process is about to write to the same descriptor."""
    if _writers:
        _writers[0].flush(seconds)


def set_up_logging(log_format: LogFormat) -> None:
    on_terminal = os.isatty(STDERR)
    pretty = log_format is LogFormat.PRETTY or (log_format is LogFormat.AUTO and on_terminal)
    rendering: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    if pretty:
        rendering = [
            structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=structlog.dev.plain_traceback)
        ]
    writer = _writer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(component="supervisor")
    logging.getLogger().handlers = [_Relay(logging.WARNING)]
    sys.excepthook = _tell_exception


def _tell_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    structlog.get_logger().critical("supervisor_broke", exc_info=(kind, error, trace))
