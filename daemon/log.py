"""structlog, set up once: JSON lines on standard error, pretty on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

import structlog

# without the local variables that structlog would show: tokens and secrets are among them
TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def set_up(form: Literal["auto", "json", "pretty"], *, quiet: bool = False) -> None:
    """Log to standard error: under systemd that is the journal, and no pipe of ours can stall the daemon.

    `quiet` leaves errors only: a command line tells its own story.
    """
    pretty = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if pretty:
        steps.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        steps += [structlog.processors.ExceptionRenderer(TRACEBACKS), structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
