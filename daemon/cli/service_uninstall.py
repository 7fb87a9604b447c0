"""`pro-engine service uninstall` under systemd."""

from __future__ import annotations

from pathlib import Path

from daemon.cli import service_files as files
from daemon.cli.service_place import Ask, Place, Run
from daemon.cli.service_systemd import must, require
from daemon.cli.service_units import UNIT, Scope, possible_units


def uninstall(scope: Scope, place: Place, run: Run, ask: Ask, *, force: bool) -> int:
    """Stop, disable, and remove what we wrote. What the service made (jobs, token, cache) stays, and so does its user,
    whose files they are.

    Raises:
        ServiceRefused: before anything was stopped.
    """
    require(place, scope)
    there = files.removable(possible_units(scope, place), force=force, ask=ask)
    if not there:
        print("It is not installed; nothing was changed.")
        return 0
    if scope.unit in there:
        must(run(*scope.systemctl, "disable", "--now", UNIT), f"`{scope.shown} disable --now {UNIT}`")
        print(f"stopped and disabled {UNIT}")
    for path in there:
        files.remove(path)
        print(f"removed {path}")
    must(run(*scope.systemctl, "daemon-reload"), f"`{scope.shown} daemon-reload`")
    run(*scope.systemctl, "reset-failed", UNIT)  # fails where it had not failed
    state, cache = _folders(scope, place)
    print(f"Jobs and token stay in {state}, pictures in {cache}.")
    return 0


def _folders(scope: Scope, place: Place) -> tuple[Path, Path]:
    if scope.system:
        return Path("/var/lib/pro-engine"), Path("/var/cache/pro-engine")
    return place.folders.state, place.folders.cache
