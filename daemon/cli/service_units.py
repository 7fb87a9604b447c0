"""Which files make a service, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.cli.service_place import Place
from daemon.cli.service_text import fill, plist_string, plist_strings, unit_command

UNIT: Final = "pro-engine.service"
GROUP: Final = "pro-engine"
AGENT: Final = "app.pro-upscaler.engine"
LATER_VERSIONS: Final = (253, 254)  # of systemd, which know settings that our oldest does not
_SHIPPED: Final = Path(__file__).parent / "units"  # in a wheel; a clone has them at its root, beside what they start


@dataclass(frozen=True)
class Scope:
    """Whose service: one user's, or the whole machine's."""

    system: bool
    folder: Path  # of the units

    @property
    def systemctl(self) -> tuple[str, ...]:
        return ("systemctl",) if self.system else ("systemctl", "--user")

    @property
    def unit(self) -> Path:
        return self.folder / UNIT

    @property
    def shown(self) -> str:
        return " ".join(self.systemctl)


def scope_of(place: Place, *, system: bool) -> Scope:
    return Scope(system, place.etc / "systemd/system" if system else place.config_home / "systemd/user")


def template(name: str) -> str:
    root = _SHIPPED if _SHIPPED.is_dir() else Path(__file__).parents[2]
    return (root / name).read_text(encoding="utf-8")


def units(scope: Scope, place: Place, version: int) -> dict[Path, str]:
    """Every file of a service under systemd `version`, by path."""
    values = {
        "command": unit_command(place.command),
        "groups": " ".join(place.groups),
        "nvidia_modprobe": unit_command((place.nvidia_modprobe or "", "-u", "-c", "0")),
    }
    return {
        path: fill(template(name), values) for path, (name, wanted) in _all(scope, place, version).items() if wanted
    }


def possible_units(scope: Scope, place: Place) -> list[Path]:
    """Where any version of this command may have written."""
    return list(_all(scope, place, 0))


def _all(scope: Scope, place: Place, version: int) -> Mapping[Path, tuple[str, bool]]:
    drop_ins = scope.folder / f"{UNIT}.d"
    found = {scope.unit: (f"systemd/{'system' if scope.system else 'user'}/{UNIT}", True)}
    for later in LATER_VERSIONS:
        found[drop_ins / f"10-systemd-{later}.conf"] = (f"systemd/later/{later}.conf", version >= later)
    if scope.system:
        nvidia = place.nvidia_modprobe is not None
        found[drop_ins / "10-nvidia.conf"] = ("systemd/nvidia/nvidia.conf", nvidia)
        found[scope.folder / "pro-engine-nvidia.service"] = ("systemd/nvidia/pro-engine-nvidia.service", nvidia)
        found[sysusers_file(place)] = ("systemd/system/pro-engine.sysusers.conf", True)
    return found


def sysusers_file(place: Place) -> Path:
    return place.etc / "sysusers.d/pro-engine.conf"


def agent_file(place: Place) -> Path:
    return place.home / "Library/LaunchAgents" / f"{AGENT}.plist"


def agent(place: Place) -> str:
    values = {
        "program_arguments": plist_strings(place.command),
        "log": plist_string(str(place.home / "Library/Logs/pro-engine.log")),
    }
    return fill(template(f"launchd/{AGENT}.plist"), values)
