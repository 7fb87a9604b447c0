"""Where the log of the running service goes, or of the one that is installed."""

from __future__ import annotations

import json
import os
import plistlib
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

from daemon.cli.logs_file import LogFile
from daemon.cli.logs_journal import Journal, Unit
from daemon.cli.service_place import Place
from daemon.cli.service_units import UNIT, agent_file, scope_of
from daemon.errors import ServiceRefused, ServiceUnreachable
from daemon.published import system_folders
from daemon.runtime_file import start_ticks

PROC: Final = Path("/proc")
KEEP: Final = "have it installed (`pro-engine service install`), or start it with `pro-engine run 2>>FILE`"
LogSource = LogFile | Journal


def find_log(place: Place, env: Mapping[str, str]) -> LogSource:
    """A user's own service goes before the machine's, one that runs before one that is only installed.

    Raises:
        ServiceRefused: its log goes where nobody can read it; says what to do.
        ServiceUnreachable: there is none.
    """
    if agent_file(place).exists():
        return _agents(agent_file(place))
    for folders in (place.folders, system_folders(env)):
        if pid := _running(folders.runtime_file):
            return _of_process(pid, place)
    for system in (False, True):
        if scope_of(place, system=system).unit.exists():
            return _journal(Unit(UNIT, of_user=not system), place)
    raise ServiceUnreachable(
        "no service runs here, and none is installed; `pro-engine run` or `pro-engine service install` starts one"
    )


def _agents(path: Path) -> LogFile:
    try:
        log = Path(plistlib.loads(path.read_bytes())["StandardErrorPath"])
    except (OSError, ValueError, KeyError, TypeError, ExpatError) as error:
        raise ServiceRefused(f"{path} does not say where the log is: {error}") from error
    return _file(lambda: log)


def _running(runtime_file: Path) -> int | None:
    """The pid of the one that published itself there and lives still."""
    try:
        found = json.loads(runtime_file.read_text(encoding="utf-8"))
        pid, ticks = int(found["pid"]), found["start_ticks"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if start_ticks(pid) == ticks and _lives(pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _of_process(pid: int, place: Place) -> LogSource:
    unit, ticks, link = unit_of(pid), start_ticks(pid), PROC / f"{pid}/fd/2"
    try:
        target, mode = link.readlink(), link.stat().st_mode
    except OSError:  # another user's, or there is no /proc
        if unit is not None and unit.name == UNIT:
            return _journal(unit, place)
        raise ServiceRefused(
            f"this machine does not say where the log of the service (pid {pid}) goes; {KEEP}"
        ) from None
    if stat.S_ISREG(mode):
        return _file(lambda: link if start_ticks(pid) == ticks else target)
    if stat.S_ISSOCK(mode) and unit is not None:
        return _journal(unit, place)
    raise ServiceRefused(f"the log of the service (pid {pid}) goes to {_described(target, mode)}; {KEEP}")


def unit_of(pid: int) -> Unit | None:
    """The systemd service in which a process runs; None for one that was started by hand."""
    try:
        groups = (PROC / f"{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in groups.splitlines():
        number, controllers, path = line.split(":", 2)
        *above, last = path.split("/")
        if (number == "0" or controllers == "name=systemd") and last.endswith(".service"):
            return Unit(last, of_user=any(part.startswith("user@") for part in above))
    return None


def _file(current: Callable[[], Path]) -> LogFile:
    try:
        return LogFile(current)
    except OSError as error:
        raise ServiceRefused(f"{current()} cannot be read: {error.strerror}") from error


def _journal(unit: Unit, place: Place) -> Journal:
    join = f"`sudo usermod -aG systemd-journal {place.user}`, and log in again"
    return Journal(unit, join if unit.of_user else f"`sudo {' '.join(place.command)} logs`, or {join}")


def _described(target: Path, mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe, which whoever started it reads (of a container: `docker logs`)"
    if stat.S_ISSOCK(mode):
        return "a socket of whoever started it"
    return f"{target}, which keeps nothing" if str(target) == os.devnull else f"the terminal {target}"
