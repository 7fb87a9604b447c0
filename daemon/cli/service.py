"""`pro-engine service install|uninstall|status`: run with the machine, or with one's login."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from daemon.cli import service_launchd as launchd
from daemon.cli.service_place import Ask, Place, Run, ask_person, look_around, run_command
from daemon.cli.service_units import scope_of
from daemon.errors import ServiceRefused

MACOS: Final = "darwin"


def service(options: argparse.Namespace) -> int:
    return act(options, look_around(os.environ), run_command, ask_person)


def act(options: argparse.Namespace, place: Place, run: Run, ask: Ask) -> int:
    """Do what was asked on the machine that `place` tells of."""
    try:
        return _launchd(options, place, run, ask) if place.platform == MACOS else _systemd(options, place, run, ask)
    except ServiceRefused as error:
        sys.stderr.write(f"pro-engine: {error.message}\n")
        return error.exit_code
    except OSError as error:  # a full disk, a read-only /etc
        sys.stderr.write(f"pro-engine: {error.filename}: {error.strerror}\n")
        return os.EX_IOERR


def _launchd(options: argparse.Namespace, place: Place, run: Run, ask: Ask) -> int:
    if options.system or place.uid == 0:
        raise ServiceRefused(
            "on macOS the service is one user's, for Metal is not in reach of others: run it as yourself"
        )
    if options.action == "install":
        return launchd.install(place, run, ask, start=not options.no_start, force=options.force)
    if options.action == "uninstall":
        return launchd.uninstall(place, run, ask, force=options.force)
    return launchd.status(place, run)


def _systemd(options: argparse.Namespace, place: Place, run: Run, ask: Ask) -> int:
    from daemon.cli.service_install import install
    from daemon.cli.service_status import status
    from daemon.cli.service_uninstall import uninstall

    scope = scope_of(place, system=options.system or (place.uid == 0 and not options.user))
    if options.action == "install":
        return install(scope, place, run, ask, start=not options.no_start, force=options.force)
    if options.action == "uninstall":
        return uninstall(scope, place, run, ask, force=options.force)
    return status(scope, place, run)
