"""structlog, set up once: JSON lines on standard error, pretty on a terminal. Nobody who logs waits for a reader."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from types import TracebackType
from typing import Any, Final, Literal

from daemon.lines import LineWriter
from daemon.quick_imports import as_if_missing

with as_if_missing("rich"):  # it would show tracebacks with it, which we do not ask of it
    import structlog

STDERR: Final = 2
FLUSH_SECONDS: Final = 1.0  # at the end, for a reader that is slow
# without the local variables that structlog would show: tokens and secrets are among them
TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
_writers: list[LineWriter] = []  # one a process


def set_up(form: Literal["auto", "json", "pretty"], *, quiet: bool = False) -> None:
    """Log to standard error: under systemd that is the journal, and no pipe of ours can stall the daemon.

    `quiet` leaves errors only: a command line tells its own story.
    """
    on_terminal = os.isatty(STDERR)
    pretty = form == "pretty" or (form == "auto" and on_terminal)
    steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if pretty:
        shown = structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=structlog.dev.plain_traceback)
        steps.append(shown)
    else:
        steps += [structlog.processors.ExceptionRenderer(TRACEBACKS), structlog.processors.JSONRenderer()]
    output = _Output(_writer())
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR if quiet else logging.INFO),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )


def named(name: str) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _writer() -> LineWriter:
    if not _writers:
        _writers.append(LineWriter(STDERR, _tell_lost))
        atexit.register(flush)
    return _writers[0]


def flush() -> None:
    """Wait for what was logged to be written, if its reader takes it."""
    for writer in _writers:
        writer.flush(FLUSH_SECONDS)


def hold_descriptors() -> None:
    """Where we were started without one of the standard descriptors, the store's file would get its number, and our
    lines with it.
    """
    for fd in range(STDERR + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.dup2(null := os.open(os.devnull, os.O_RDWR), fd)
            if null > STDERR:
                os.close(null)
            os.set_inheritable(fd, True)  # `null` may have been this very number; workers would start without it


def _tell_lost(count: int) -> None:
    structlog.get_logger(__name__).warning("log_lines_dropped", count=count)


class _Output:
    """What structlog calls with each finished line."""

    def __init__(self, writer: LineWriter) -> None:
        self.msg = writer.put
        self.debug = self.info = self.warning = self.error = self.critical = self.msg


def take_over() -> None:
    """Have Python's own messages written like ours: they would wait for the reader of standard error."""
    logging.captureWarnings(capture=True)
    logging.getLogger().handlers = [_Relay(logging.WARNING)]
    sys.excepthook = _tell_exception
    threading.excepthook = lambda hit: _tell_exception(hit.exc_type, hit.exc_value, hit.exc_traceback)
    sys.unraisablehook = lambda hit: _tell_exception(hit.exc_type, hit.exc_value, hit.exc_traceback, hit.err_msg)


class _Relay(logging.Handler):
    """The messages of asyncio and of libraries, and warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit its text
            message = str(record.msg)
        logger = structlog.get_logger(record.name)
        tell = logger.error if record.levelno >= logging.ERROR else logger.warning
        tell("python", message=message, exc_info=record.exc_info)


def _tell_exception(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
    message: Any = None,
) -> None:
    logger = structlog.get_logger(__name__)
    logger.error("python", message=message or "nobody caught this", exc_info=(kind, error, trace))
