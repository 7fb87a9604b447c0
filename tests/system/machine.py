"""A machine with a systemd of its own, booted by `with-systemd`, and commands run in it from here."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import missing

ROOT: Final = Path(__file__).parents[2]
CANNOT: Final = 125
PACKAGES: Final = "sudo apt-get install systemd libpam-systemd dbus dbus-user-session util-linux iproute2 procps"
CLEAN: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Machine:
    pid: int  # of its PID 1, as seen from outside

    def words(self, *words: str, user: str | None = None, env: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs `words` inside, as root or as one of its users after a fresh login."""
        become = (
            [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"]
        )
        settings = [f"{name}={value}" for name, value in (CLEAN | dict(env or {})).items()]
        enter = ["nsenter", f"--target={self.pid}", "--all", "--root", "--"]
        return [*enter, *become, "env", *([] if user else ["-i"]), "-C", "/tmp", *settings, *words]

    def run(
        self, *words: str, user: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            self.words(*words, user=user, env=env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert not check or ended.returncode == 0, f"{words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def out(self, *words: str, user: str | None = None) -> str:
        return self.run(*words, user=user).stdout.strip()

    def show(self, name: str, unit: str = "pro-engine.service") -> str:
        return self.out("systemctl", "show", unit, f"--property={name}", "--value")

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"', "write", path, text)


@contextmanager
def booted(binds: Mapping[Path, str]) -> Iterator[Machine]:
    """A machine that sees these folders of ours; ended and thrown away afterwards.

    Skips, and says why, where this machine may not make one; a package that could be installed is wanted in CI.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can boot a systemd of its own")
    if not Path("/lib/systemd/systemd").exists():
        missing("systemd is not installed", PACKAGES)
    launcher = subprocess.Popen(
        [Path(__file__).with_name("with-systemd")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # MACHINE_OVER: see with-systemd; for trying another version of systemd by hand
        env=CLEAN
        | {
            "MACHINE_OVER": os.environ.get("MACHINE_OVER", ""),
            "MACHINE_BINDS": ":".join(f"{source}={target}" for source, target in binds.items()),
        },
    )
    assert launcher.stdin
    assert launcher.stdout
    assert launcher.stderr
    try:
        line = launcher.stdout.readline()
        if not line:
            says = launcher.stderr.read()
            assert launcher.wait() == CANNOT, says
            pytest.skip(says.strip())
        yield Machine(int(line))
    finally:
        launcher.stdin.close()
        launcher.wait()
        launcher.stdout.close()
        launcher.stderr.close()


def interpreter() -> Path:
    """A Python that a hardened service can see, of the version that our libraries were installed for."""
    base = Path(sys.base_prefix).resolve() / "bin" / f"python{sysconfig.get_python_version()}"
    for candidate in (base, Path("/usr/bin") / base.name):
        if candidate.exists() and not candidate.is_relative_to("/root") and not candidate.is_relative_to("/home"):
            return candidate
    return missing(f"no {base.name} outside of /root and /home", f"sudo apt-get install {base.name}")
