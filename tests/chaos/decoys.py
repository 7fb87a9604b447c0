"""Foreign processes beside ours, one of them with our daemon's very command line. No fault may touch them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

from tests.chaos.patience import Impatient
from tests.chaos.processes import Held

FOREIGN = Path(__file__).parent / "foreign"
READY_SECONDS = 20.0


class Decoy:
    """A stranger that tells of every signal; it may listen on a port."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self._spawned = subprocess.Popen(
            [sys.executable, "-P", "-m", "daemon", *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(FOREIGN)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._spawned.stdout is not None
        self._told = self._spawned.stdout
        self.held = Held(self._spawned.pid)
        if not select.select([self._told], [], [], READY_SECONDS)[0] or self._told.readline() != b"ready\n":
            self.end()
            raise Impatient(f"the decoy {name} did not start")
        os.set_blocking(self._told.fileno(), False)

    @property
    def pid(self) -> int:
        return self._spawned.pid

    def harm(self) -> list[str]:
        """What was done to it since the last time."""
        if not self.held.alive:
            return [f"{self.name} is dead ({self._spawned.poll()})"]
        told = self._told.read() or b""
        harm = [f"{self.name} got {line}" for line in told.decode().splitlines()]
        return [*harm, f"{self.name} is stopped"] if self.held.stopped else harm

    def end(self) -> None:
        self._spawned.kill()
        self._spawned.wait()
        self._told.close()
        self.held.close()


class Decoys:
    """All strangers of one lane."""

    def __init__(self) -> None:
        self._decoys: list[Decoy] = []

    def add(self, name: str, *arguments: str) -> Decoy:
        decoy = Decoy(name, *arguments)
        self._decoys.append(decoy)
        return decoy

    def remove(self, decoy: Decoy) -> list[str]:
        """End one; what was done to it before."""
        harm = decoy.harm()
        self._decoys.remove(decoy)
        decoy.end()
        return harm

    def __len__(self) -> int:
        return len(self._decoys)

    def harm(self) -> list[str]:
        return [harm for decoy in self._decoys for harm in decoy.harm()]

    def end(self) -> None:
        for decoy in self._decoys:
            decoy.end()
        self._decoys.clear()
