"""`pro-engine service install` under systemd."""

from __future__ import annotations

import grp
from pathlib import Path

from daemon.cli import service_files as files
from daemon.cli.service_place import Ask, Place, Run
from daemon.cli.service_systemd import must, properties, require, require_in_reach, version
from daemon.cli.service_units import GROUP, UNIT, Scope, possible_units, sysusers_file, units


def install(scope: Scope, place: Place, run: Run, ask: Ask, *, start: bool, force: bool) -> int:
    """Write what is not there yet, enable and start. A second time it changes nothing.

    Raises:
        ServiceRefused: before anything was written, or with everything written put back. So with an OSError.
    """
    require(place, scope)
    if scope.system:
        require_in_reach(place)
    wanted = units(scope, place, version(scope, place, run))
    to_write = files.differing(wanted, force=force, ask=ask)
    # a drop-in for a systemd that this machine no longer has
    unwanted = [path for path in possible_units(scope, place) if path not in wanted]
    to_remove = files.removable(unwanted, force=force, ask=ask)
    changed = bool(to_write or to_remove)
    with files.put_back_on_failure([*to_write, *to_remove]):
        _write(to_write, to_remove)
        if sysusers_file(place) in to_write:
            must(run("systemd-sysusers", str(sysusers_file(place))), "`systemd-sysusers`, which makes the user,")
        if changed:
            must(run(*scope.systemctl, "daemon-reload"), f"`{scope.shown} daemon-reload`")
    did = _let_in(place, run) if scope.system else False
    did |= _enable(scope, run, changed=changed, start=start)
    print("Installed." if changed or did else "It is installed already; nothing was changed.")
    if not scope.system:
        _advise_linger(place, run)
    return 0


def _write(to_write: dict[Path, str], to_remove: list[Path]) -> None:
    for path, text in to_write.items():
        files.write(path, text)
        print(f"wrote {path}")
    for path in to_remove:
        files.remove(path)
        print(f"removed {path}")


def _enable(scope: Scope, run: Run, *, changed: bool, start: bool) -> bool:
    """Whether anything had to be done."""
    now = properties(scope, UNIT, run, "UnitFileState", "ActiveState")
    did = False
    if now["UnitFileState"] != "enabled":
        must(run(*scope.systemctl, "enable", UNIT), f"`{scope.shown} enable {UNIT}`")
        print(f"enabled {UNIT}: it starts with {'the machine' if scope.system else 'your login'}")
        did = True
    running = now["ActiveState"] == "active"
    if start and (changed or not running):
        verb = "restart" if running else "start"
        ran = run(*scope.systemctl, verb, UNIT)
        log = f"journalctl {'' if scope.system else '--user '}--unit {UNIT}"
        must(ran, f"it is installed, but `{scope.shown} {verb} {UNIT}`, whose reasons `{log}` shows,")
        print(f"{verb}ed {UNIT}")
        did = True
    return did


def _let_in(place: Place, run: Run) -> bool:
    """Whoever installs the service by sudo is to use it."""
    if place.sudo_user is None:
        return False
    try:
        if place.sudo_user in grp.getgrnam(GROUP).gr_mem:
            return False
    except KeyError:
        pass  # made a moment ago, and this process has an old answer
    must(run("usermod", "--append", "--groups", GROUP, place.sudo_user), f"adding {place.sudo_user} to {GROUP}")
    print(f"{place.sudo_user} is in the group {GROUP} now, and can use the service from the next login on")
    return True


def _advise_linger(place: Place, run: Run) -> None:
    if run("loginctl", "show-user", place.user, "--property=Linger", "--value").out == "no":
        print("It ends with your last session; `loginctl enable-linger` keeps it running without one.")
