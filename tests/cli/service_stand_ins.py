"""A place that is no machine, and a recorder in the place of systemctl and launchctl."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from daemon.cli.service_place import Place, Ran
from daemon.settings import Folders

SYSTEMD: dict[str, Ran] = {
    "show --property=Version": Ran(0, "252.38-1~deb12u1"),
    "show pro-engine.service": Ran(0, "UnitFileState=\nActiveState=inactive"),
    "loginctl show-user": Ran(0, "yes"),
}


@dataclass
class FakeCommands:
    """Runs nothing: keeps what it was asked, and gives the answer whose key is part of the question, or success."""

    answers: dict[str, Ran] = field(default_factory=lambda: dict(SYSTEMD))
    asked: list[str] = field(default_factory=list)

    def __call__(self, *words: str) -> Ran:
        line = " ".join(words)
        self.asked.append(line)
        return next((answer for part, answer in self.answers.items() if part in line), Ran(0))

    @property
    def changes(self) -> list[str]:
        """What was more than a question."""
        return [line for line in self.asked if " show" not in line and " print" not in line]


def a_place(tmp: Path, **changes: object) -> Place:
    """A Linux machine of ann's, whose folders lie in `tmp`."""
    values: dict[str, object] = {
        "platform": "linux",
        "uid": 1000,
        "user": "ann",
        "home": tmp / "home",
        "config_home": tmp / "home/.config",
        "etc": tmp / "etc",
        "sudo_user": None,
        "booted": True,
        "command": ("/opt/pro engine/100%/bin/pro-engine",),
        "installation": (Path("/opt/pro engine/100%/bin/python"),),
        "groups": ("render",),
        "nvidia_modprobe": None,
        "folders": Folders(tmp / "state", tmp / "cache"),
    }
    return Place(**values | changes)  # type: ignore[arg-type]


def never(question: str) -> bool:
    """Nobody is there to be asked."""
    assert question.endswith("?")
    return False
