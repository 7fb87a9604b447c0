"""Why the supervisor does not start, each with the exit code that its caller (a shell, systemd) acts on.

The codes are those of sysexits.h where it has one, so the unit's RestartPreventExitStatus can name them:
64 and 78 are for a person to mend, 100 is no failure at all, everything else is worth another try.
"""

from __future__ import annotations

import os
from typing import ClassVar

BOOT_FAILURE = 3
ALREADY_RUNNING = 100


class StartError(Exception):
    """The supervisor cannot start; the message is one sentence for a person."""

    exit_code: ClassVar[int] = os.EX_OSERR


class WrongUsage(StartError):
    exit_code = os.EX_USAGE


class EvictRefused(StartError):
    """The process that a person wants out of the way is not to be ended; the message says why."""

    exit_code = os.EX_USAGE


class WrongSettings(StartError):
    """A variable is missing or wrong; the message names it."""

    exit_code = os.EX_CONFIG


class AddressUnavailable(StartError):
    """Not an error of the settings for good: an interface may still come up, so a restart is worth it."""

    exit_code = os.EX_UNAVAILABLE


class StateUnwritable(StartError):
    """A full or read-only disk may be mended without anyone touching the settings."""

    exit_code = os.EX_CANTCREAT


class AlreadyRunning(StartError):
    """Another supervisor holds this state folder; `url` is where it serves, where it has said so."""

    exit_code = ALREADY_RUNNING

    def __init__(self, url: str | None) -> None:
        super().__init__(f"Pro Engine already runs at {url}" if url else "Pro Engine is already starting or stopping")
        self.url = url
