"""structlog, set up once: JSON lines on standard error, coloured lines on a terminal."""

from __future__ import annotations

import contextlib
import sys

import structlog

from supervisor.settings import LogFormat


class _StandardError:
    """Writes lines; a reader of our log that has gone away must not end the supervisor."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            print(message, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg


def _logger(*_: object) -> _StandardError:
    return _StandardError()


def set_up_logging(log_format: LogFormat) -> None:
    pretty = log_format is LogFormat.PRETTY or (log_format is LogFormat.AUTO and sys.stderr.isatty())
    renderer: structlog.typing.Processor
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if pretty else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=_logger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(component="supervisor")
