"""Processes that a test starts beside the supervisor: leftovers that are to go, and decoys that are to stay."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LEFTOVER = Path(__file__).with_name("leftover.py")
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc")
NOBODY = 65_534
_open_pidfd = os.pidfd_open  # tests take it away
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="another user's process can only be made by root")

needs_unshare = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"),
    reason="a container needs root and unshare (apt-get install util-linux)",
)


@dataclass
class Decoy:
    """A running process, and those that it started; `alive` is asked of the kernel by pidfd."""

    pid: int
    pidfds: dict[int, int]
    started: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return is_alive(self.pidfds[self.pid])

    @property
    def family(self) -> list[int]:
        return [pid for pid in self.pidfds if pid != self.pid]

    def lives(self, pid: int) -> bool:
        return is_alive(self.pidfds[pid])

    def gone(self, pid: int | None = None) -> bool:
        """Waits for the end."""
        return bool(select.select([self.pidfds[pid or self.pid]], [], [], 10)[0])

    def signal(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self.pidfds[self.pid], number)

    def stop(self) -> None:
        """SIGSTOP, and wait until it has stopped."""
        self.signal(signal.SIGSTOP)
        while Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"T":
            os.sched_yield()

    def said(self) -> list[str]:
        """All that it wrote, once it and all its kin are gone."""
        assert self.started.stdout
        return self.started.stdout.read().decode().splitlines()

    def end(self) -> None:
        for pidfd in self.pidfds.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        self.started.wait()
        if self.started.stdout:
            self.started.stdout.close()


def is_alive(pidfd: int) -> bool:
    return not select.select([pidfd], [], [], 0)[0]


@contextlib.contextmanager
def decoy(
    *options: object, environ: Mapping[str, str] | None = None, argv0: str | None = None, container: bool = False
) -> Iterator[Decoy]:
    """`leftover.py` with these options."""
    command = [argv0 or sys.executable, str(LEFTOVER), *map(str, options)]
    started = subprocess.Popen(
        [*UNSHARE, *command] if container else command,
        executable=None if container else sys.executable,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=os.environ | dict(environ or {}),
    )
    assert started.stdout
    word, *told = started.stdout.readline().decode().split()
    assert word == "ready"
    # In a container it does not know its number here; it is the only child of `unshare`.
    pids = [*map(int, children(started.pid) if container else told)]
    running = Decoy(pids[0], {number: _open_pidfd(number) for number in pids}, started)
    try:
        yield running
    finally:
        running.end()


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
