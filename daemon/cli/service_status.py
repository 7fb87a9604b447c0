"""`pro-engine service status` under systemd."""

from __future__ import annotations

import os
from typing import Final

from daemon.cli.service_place import Place, Run
from daemon.cli.service_systemd import properties, require, version
from daemon.cli.service_units import UNIT, Scope

EXIT_NOT_RUNNING: Final = 3  # as `systemctl status`
EXIT_NOT_INSTALLED: Final = 4
SHOWN: Final = (
    *("LoadState", "ActiveState", "SubState", "MainPID", "UnitFileState", "FragmentPath", "DropInPaths"),
    *("NRestarts", "StatusText", "NeedDaemonReload"),
)


def status(scope: Scope, place: Place, run: Run) -> int:
    """Exit 0 while it runs; 3 and 4 as `systemctl status` does.

    Raises:
        ServiceRefused: systemd is not there to be asked.
    """
    if not scope.system or not place.booted:
        require(place, scope)  # to ask about a system service, nobody has to be root
    version(scope, place, run)
    found = properties(scope, UNIT, run, *SHOWN)
    if found["LoadState"] == "not-found":
        other = "" if scope.system else _system_service(scope, place, run)
        print(
            f"not installed; `pro-engine service install {'--system' if scope.system else '--user'}` does that{other}"
        )
        return EXIT_NOT_INSTALLED
    print("\n".join(_lines(found)))
    if not scope.system:
        print(f"linger   {_linger(place, run)}")
    return os.EX_OK if found["ActiveState"] in {"active", "reloading"} else EXIT_NOT_RUNNING


def _lines(found: dict[str, str]) -> list[str]:
    says = found.get("StatusText")
    restarts = found.get("NRestarts", "0")
    return [
        f"service  {found['ActiveState']} ({found['SubState']}){f': {says}' if says else ''}",
        f"pid      {found['MainPID'] if found['MainPID'] != '0' else 'none'}"
        + (f", restarted {restarts} times" if restarts != "0" else ""),
        f"starts   {found['UnitFileState'] or 'not by itself'}",
        f"unit     {found['FragmentPath'] or found['LoadState']}",
        *(f"drop-in  {path}" for path in found["DropInPaths"].split()),
        *(
            ["changed since systemd read it: run `systemctl daemon-reload`"]
            if found["NeedDaemonReload"] == "yes"
            else []
        ),
    ]


def _linger(place: Place, run: Run) -> str:
    says = run("loginctl", "show-user", place.user, "--property=Linger", "--value")
    if says.out == "yes":
        return "on: it runs without a session too"
    if says.out == "no":
        return "off: it ends with your last session; `loginctl enable-linger` keeps it running"
    return "unknown: loginctl does not answer"


def _system_service(scope: Scope, place: Place, run: Run) -> str:
    system = Scope(system=True, folder=place.etc / "systemd/system")
    if scope.unit != system.unit and properties(system, UNIT, run, "LoadState")["LoadState"] == "loaded":
        return "; this machine has a system service, which `--system` shows"
    return ""
