"""`python -m supervisor [--evict PID] [-- daemon command…]`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from random import SystemRandom

from supervisor.errors import ALREADY_RUNNING, AlreadyRunning, StartError, WrongUsage
from supervisor.log import STDERR, hold_descriptors, say_last, set_up_logging
from supervisor.orders import take_signals_back, undisturbed_at_the_end
from supervisor.run import supervise
from supervisor.settings import read_settings

STDOUT = 1
USAGE = "usage: python -m supervisor [--evict PID] [-- daemon command…]"
# launchd restarts whatever does not exit with 0, and none of these is mended by a restart.
_ENDS_UNDER_LAUNCHD = frozenset({os.EX_USAGE, os.EX_CONFIG, ALREADY_RUNNING})


def main(arguments: Sequence[str]) -> int:
    code = _run(arguments)
    under_launchd = os.environ.get("PRO_ENGINE_UNDER_LAUNCHD") == "1"
    return os.EX_OK if under_launchd and code in _ENDS_UNDER_LAUNCHD else code


def _run(arguments: Sequence[str]) -> int:
    hold_descriptors()
    take_signals_back()
    try:
        evict, command = read_arguments(arguments)
        settings = read_settings(os.environ, command, evict)
        set_up_logging(settings.log_format)
        return asyncio.run(undisturbed_at_the_end(supervise(settings, os.environ, SystemRandom())))
    except AlreadyRunning as found:
        say_last(STDOUT, str(found))
        return found.exit_code
    except StartError as error:
        say_last(STDERR, f"pro-engine: {error}")
        return error.exit_code


def read_arguments(arguments: Sequence[str]) -> tuple[int | None, Sequence[str]]:
    """The pid to evict, if one is named, and the daemon's command, if it is not our own."""
    evict, rest = None, list(arguments)
    if rest[:1] == ["--evict"] and len(rest) > 1:
        if not (rest[1].isascii() and rest[1].isdigit()):
            raise WrongUsage(f"--evict wants a pid, not {rest[1]!r}")
        evict, rest = int(rest[1]), rest[2:]
    if not rest:
        return evict, ()
    if rest[0] != "--" or len(rest) == 1:
        raise WrongUsage(USAGE)
    return evict, rest[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
