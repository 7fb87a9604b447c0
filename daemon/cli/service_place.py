"""What `pro-engine service` knows of the machine it runs on, and the way in which it runs the machine's commands."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daemon.settings import Folders, folders

GPU_GROUPS: Final = ("render", "video")
COMMAND_SECONDS: Final = 300.0  # a start waits for the first READY=1, a stop for a drain


@dataclass(frozen=True)
class Ran:
    """What came of one command of the machine's."""

    status: int
    out: str = ""
    err: str = ""


Run = Callable[..., Ran]
Ask = Callable[[str], bool]


@dataclass(frozen=True)
class Place:
    """Facts, read once, so that tests can have others."""

    platform: str
    uid: int
    user: str
    home: Path
    config_home: Path
    etc: Path
    sudo_user: str | None
    booted: bool  # systemd is this machine's PID 1
    command: tuple[str, ...]  # this installation's `pro-engine`, by absolute paths
    installation: tuple[Path, ...]  # every path that the command needs
    groups: tuple[str, ...]  # of those that may use GPUs, the ones that exist
    nvidia_modprobe: str | None
    folders: Folders  # of a service of this user


def look_around(env: Mapping[str, str]) -> Place:
    """The machine as it is."""
    home = Path(env.get("HOME") or Path.home())
    account = pwd.getpwuid(os.geteuid())
    return Place(
        platform=sys.platform,
        uid=account.pw_uid,
        user=account.pw_name,
        home=home,
        config_home=Path(env.get("XDG_CONFIG_HOME") or home / ".config"),
        etc=Path("/etc"),
        sudo_user=env.get("SUDO_USER") if account.pw_uid == 0 and env.get("SUDO_USER") != "root" else None,
        booted=Path("/run/systemd/system").is_dir(),
        command=_own_command(),
        installation=(Path(sys.executable), Path(sys.prefix), Path(sys.base_prefix), Path(__file__)),
        groups=tuple(name for name in GPU_GROUPS if _is_group(name)),
        nvidia_modprobe=shutil.which("nvidia-modprobe"),
        folders=folders(env),
    )


def _own_command() -> tuple[str, ...]:
    """Beside the interpreter that runs us, where pip put it: PATH could lead to another installation's."""
    script = Path(sysconfig.get_path("scripts")) / "pro-engine"
    return (str(script),) if os.access(script, os.X_OK) else (sys.executable, "-P", "-m", "daemon.cli")


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def run_command(*words: str) -> Ran:
    """Run one, and keep what it says; one that is not there ends with 127, as in a shell."""
    env = dict(os.environ)
    if "XDG_RUNTIME_DIR" not in env and Path(runtime := f"/run/user/{os.geteuid()}").is_dir():
        env["XDG_RUNTIME_DIR"] = runtime  # after `su` it is missing, and `systemctl --user` needs it
    try:
        ended = subprocess.run(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return Ran(127, "", f"{words[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Ran(124, "", f"{' '.join(words)} did not end within {COMMAND_SECONDS:.0f} s")
    return Ran(ended.returncode, ended.stdout.strip(), ended.stderr.strip())


def ask_person(question: str) -> bool:
    """False where nobody is there to be asked."""
    return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().casefold() in {"y", "yes"}
