"""`pro-engine service` under launchd: one LaunchAgent of the user's own.

Not a LaunchDaemon: those have no access to Metal.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final

from daemon.cli import service_files as files
from daemon.cli.service_place import Ask, Place, Ran, Run
from daemon.cli.service_status import EXIT_NOT_INSTALLED, EXIT_NOT_RUNNING
from daemon.cli.service_systemd import must
from daemon.cli.service_units import AGENT, agent, agent_file
from daemon.errors import ServiceRefused

IN_PROGRESS: Final = 36  # launchctl's answer while what it ends is still ending
UNLOAD_SECONDS: Final = 130.0  # more than the agent's ExitTimeOut
LOOK_EVERY: Final = 0.5
Sleep = Callable[[float], None]


def install(place: Place, run: Run, ask: Ask, *, start: bool, force: bool, sleep: Sleep = time.sleep) -> int:
    """Write the agent and load it; without a start it is loaded by the next login.

    Raises:
        ServiceRefused: before anything was written, or with everything written put back.
    """
    path = agent_file(place)
    to_write = files.differing({path: agent(place)}, force=force, ask=ask)
    loaded = _print(place, run).status == 0
    if not to_write and (loaded or not start):
        print("It is installed already; nothing was changed.")
        return 0
    with files.put_back_on_failure(list(to_write)):
        for target, text in to_write.items():
            files.write(target, text)
            print(f"wrote {target}")
        if start:
            if loaded:  # launchd has read the old text
                _unload(place, run, sleep)
            must(run("launchctl", "enable", _name(place)), "`launchctl enable`")
            must(run("launchctl", "bootstrap", _domain(place), str(path)), "`launchctl bootstrap`")
    print("Installed.")
    return 0


def uninstall(place: Place, run: Run, ask: Ask, *, force: bool, sleep: Sleep = time.sleep) -> int:
    """Stop it and remove the agent; what the service made stays.

    Raises:
        ServiceRefused: before anything was stopped.
    """
    there = files.removable([agent_file(place)], force=force, ask=ask)
    if not there:
        print("It is not installed; nothing was changed.")
        return 0
    if _print(place, run).status == 0:
        _unload(place, run, sleep)
    for path in there:
        files.remove(path)
        print(f"removed {path}")
    print(f"Jobs and token stay in {place.folders.state}, pictures in {place.folders.cache}.")
    return 0


def status(place: Place, run: Run) -> int:
    """Exit 0 while it runs; 3 and 4 as under systemd."""
    path = agent_file(place)
    if files.read(path) is None:
        print("not installed; `pro-engine service install` does that")
        return EXIT_NOT_INSTALLED
    ran = _print(place, run)
    state, pid = (re.search(rf"^\s*{name} = (.+)$", ran.out, re.MULTILINE) for name in ("state", "pid"))
    print(f"service  {state[1] if state else 'not loaded'}")
    print(f"pid      {pid[1] if pid else 'none'}")
    print(f"agent    {path}")
    return 0 if pid else EXIT_NOT_RUNNING


def _unload(place: Place, run: Run, sleep: Sleep) -> None:
    """Until it is gone: `bootout` may come back while a drain goes on, and a `bootstrap` would fail then."""
    ran = run("launchctl", "bootout", _name(place))
    if ran.status != IN_PROGRESS:
        must(ran, "`launchctl bootout`")
    for _ in range(int(UNLOAD_SECONDS / LOOK_EVERY)):
        if _print(place, run).status:
            return
        sleep(LOOK_EVERY)
    raise ServiceRefused("launchd has not ended the service in time; try again", os.EX_TEMPFAIL)


def _domain(place: Place) -> str:
    return f"gui/{place.uid}"


def _name(place: Place) -> str:
    return f"{_domain(place)}/{AGENT}"


def _print(place: Place, run: Run) -> Ran:
    return run("launchctl", "print", _name(place))
