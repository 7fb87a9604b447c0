"""systemd, as `pro-engine service` speaks to it: what must be true before anything is written, and its commands."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from daemon.cli.service_place import Place, Ran, Run
from daemon.cli.service_units import Scope
from daemon.errors import ServiceRefused

# ProtectHome and PrivateTmp hide these from a system service.
HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108, none is written to


def require(place: Place, scope: Scope) -> None:
    """What no command of ours can do without.

    Raises:
        ServiceRefused: systemd is not there, or not ours to command.
    """
    if not place.booted:
        raise ServiceRefused(
            "systemd does not run this machine (a container, perhaps), so there is nothing to install into; "
            "`pro-engine run` starts the service in the foreground",
            os.EX_UNAVAILABLE,
        )
    if scope.system and place.uid != 0:
        raise ServiceRefused("a system service needs root: run this with sudo, or with --user", os.EX_NOPERM)


def require_in_reach(place: Place) -> None:
    """The unit's hardening hides the folders of people; a service installed there would never start.

    Raises:
        ServiceRefused: with where to install instead.
    """
    needed = {way for path in place.installation for way in (path, path.resolve())}
    for path in sorted(needed):
        if hidden := next((folder for folder in HIDDEN if path.is_relative_to(folder)), None):
            raise ServiceRefused(
                f"{path} lies below {hidden}, which a system service cannot see. Install Pro Engine for all users: "
                "`python3 -m venv /opt/pro-engine`, `/opt/pro-engine/bin/pip install …`, and then "
                "`sudo /opt/pro-engine/bin/pro-engine service install --system`",
                os.EX_CONFIG,
            )


def version(scope: Scope, place: Place, run: Run) -> int:
    """Of the systemd that runs, which an upgrade may have left older than its files.

    Raises:
        ServiceRefused: it does not answer: a user without a session has no systemd of their own.
    """
    ran = run(*scope.systemctl, "show", "--property=Version", "--value")
    found = re.match(r"v?(\d+)", ran.out)
    if ran.status == 0 and found:
        return int(found[1])
    advice = "" if scope.system else f"; log in, or run `sudo loginctl enable-linger {place.user}` first"
    raise ServiceRefused(f"systemd does not answer{advice} ({ran.err or ran.out or ran.status})", os.EX_UNAVAILABLE)


def must(ran: Ran, does: str) -> None:
    """Raises ServiceRefused where a command failed, with what it said."""
    if ran.status:
        raise ServiceRefused(f"{does} failed: {ran.err or ran.out or f'exit status {ran.status}'}")


def properties(scope: Scope, unit: str, run: Run, *names: str) -> dict[str, str]:
    ran = run(*scope.systemctl, "show", unit, *(f"--property={name}" for name in names))
    must(ran, f"`{scope.shown} show {unit}`")
    return dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
