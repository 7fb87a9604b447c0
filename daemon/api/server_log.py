"""What aiohttp's server itself has to say, as lines of our own log."""

from __future__ import annotations

import logging

import structlog
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)


class _Relay(logging.Handler):
    """One line an error. What is not even HTTP is answered 400 and left out: a stranger could fill the disk with it."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            log.error("http_server", message=record.getMessage(), exc_info=error)


def server_logger() -> logging.Logger:
    """The logger to give to aiohttp's runner."""
    logger = logging.getLogger(__name__)
    logger.handlers = [_Relay(logging.WARNING)]
    logger.propagate = False
    return logger
