"""`pro-engine migrate` as a real process that is killed (SIGKILL) when it has made so many requests."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

from daemon.migrate.work import Work
from tests.migrate.admin_emulator import AdminGate

LOGS_WEIGH = 40  # of a request with a batch of logs, beside one for a user: so that kills fall into both


@dataclass
class Ended:
    code: int
    lines: list[dict[str, Any]]
    said: str

    @property
    def result(self) -> dict[str, Any]:
        return self.lines[-1]


@dataclass
class Killer:
    """Counts what a process asks, and kills it at the moment that was drawn: before the request is done, or after."""

    gate: AdminGate
    rng: random.Random
    kills: int = 0
    kills_by_path: dict[str, int] = field(default_factory=dict)

    async def run(self, work: Work, action: str, *options: str, after: int | None = None) -> Ended:
        """To its end, or until it has made requests of the weight `after`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "daemon.cli", "migrate", action, str(work.legacy), "--json", *options),
            env=environment(self.gate),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._arm(process, after)
        try:
            out, err = await process.communicate()
        finally:
            self._disarm()
        assert process.returncode is not None
        lines = [json.loads(line) for line in out.decode().splitlines() if line.endswith("}")]
        return Ended(process.returncode, lines, err.decode())

    def _arm(self, process: asyncio.subprocess.Process, after: int | None) -> None:
        if after is None:
            return
        left = after

        def count(method: str, path: str) -> None:
            nonlocal left
            left -= LOGS_WEIGH if method == "POST" and path.endswith("usage_logs") else 1
            if left <= 0 and process.returncode is None:
                self._disarm()
                os.kill(process.pid, signal.SIGKILL)
                self.kills += 1
                name = f"{method} {'/'.join(path.split('/')[1:5])}"
                self.kills_by_path[name] = self.kills_by_path.get(name, 0) + 1

        if self.rng.random() < 0.5:
            self.gate.on_request = count
        else:
            self.gate.after_request = count

    def _disarm(self) -> None:
        self.gate.on_request = self.gate.after_request = lambda _method, _path: None


def environment(gate: AdminGate) -> dict[str, str]:
    return {**os.environ, "SUPABASE_URL": gate.url, "SUPABASE_SECRET_KEY": gate.lite.secret_key}


async def run_killed(killer: Killer, work: Work, action: str, kills: int, most: int, *options: str) -> list[Ended]:
    """Again and again, killed each time, until it was killed so often or has come to its end; then to its end."""
    ends = []
    for _ in range(kills):
        ended = await killer.run(work, action, *options, after=killer.rng.randint(1, most))
        ends.append(ended)
        if ended.code != -signal.SIGKILL:
            return ends
    ends.append(await killer.run(work, action, *options))
    return ends
