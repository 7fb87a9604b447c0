"""`python -m supervisor [-- daemon command…]`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from random import SystemRandom

from supervisor.errors import AlreadyRunning, StartError, WrongUsage
from supervisor.log import set_up_logging
from supervisor.settings import Settings, read_settings
from supervisor.supervisor import Supervisor


def main(arguments: Sequence[str]) -> int:
    try:
        settings = read_settings(os.environ, daemon_command(arguments))
        set_up_logging(settings.log_format)
        return asyncio.run(supervise(settings))
    except AlreadyRunning as found:
        print(found)
        return found.exit_code
    except StartError as error:
        print(f"pro-engine: {error}", file=sys.stderr)
        return error.exit_code


async def supervise(settings: Settings) -> int:
    return await Supervisor(settings, os.environ, SystemRandom()).run()


def daemon_command(arguments: Sequence[str]) -> Sequence[str]:
    if not arguments:
        return ()
    if arguments[0] != "--" or len(arguments) == 1:
        raise WrongUsage("usage: python -m supervisor [-- daemon command…]")
    return arguments[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
