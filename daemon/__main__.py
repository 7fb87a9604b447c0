"""`python -m daemon`: the bare daemon, as the supervisor starts it."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import structlog

from daemon import log, settings
from daemon.app import serve
from daemon.errors import StoreTooNew, WrongSettings
from daemon.lifecycle import StoreLock

EXIT_CONFIG: Final = 78
EXIT_RESTART: Final = 75
LOCK_SECONDS: Final = 10.0


def main() -> int:
    try:
        values = settings.read()
    except WrongSettings as error:
        sys.stderr.write(f"pro-engine: {error.message}\n")
        return EXIT_CONFIG
    log.set_up(values.log_format)
    logger = structlog.get_logger("daemon")
    lock = StoreLock(values.folders.state / "store.lock")
    if not lock.take(LOCK_SECONDS):
        logger.error("store_taken", folder=str(values.folders.state))
        return EXIT_RESTART
    try:
        asyncio.run(serve(values))
    except StoreTooNew as error:
        logger.error("store_too_new", reason=error.message)  # noqa: TRY400, the reason says it all
        return EXIT_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
