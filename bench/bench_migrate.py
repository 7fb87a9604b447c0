"""Moving an old file: users and logs a second, memory, and a mover that goes row by row, on the same project.

`python -m bench.bench_migrate [--users N] [--logs N]`. The project is @supabase/lite on PostgreSQL with an emulator of
the admin API before it, on this machine: what is measured is the mover with a project that answers soon.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from daemon.migrate.work import Work, work_of
from tests.migrate.admin_emulator import ADMIN, AdminGate
from tests.migrate.killing import environment
from tests.migrate.legacy_files import RULES, make_legacy
from tests.migrate.target import Target, running_target

ROW_BY_ROW = (200, 1000)  # users and logs: more would only take longer
MEBI = 1 << 20
# The peak of a process itself: what the kernel tells its parent begins with the parent's own size.
WITH_PEAK = """
import sys
from daemon.cli.__main__ import main
code = main()
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print('{"kib": %d}' % int(line.split()[1]))
sys.exit(code)
"""
GOALS = {"users": 100, "logs": 5000}
MEMORY_GOAL = 200


@dataclass
class Run:
    lines: list[dict[str, Any]]
    seconds: float
    memory: float  # MiB, at most

    def rate(self, what: str) -> float:
        """Of a stretch, from its last line."""
        return float([line for line in self.lines if line.get("what") == what][-1]["per_second"])


async def run(gate: AdminGate, work: Work, action: str, *options: str) -> Run:
    """As a process of its own, whose memory is told apart from everybody else's."""
    command = (sys.executable, "-c", WITH_PEAK, "migrate", action, str(work.legacy), "--json", *options)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(gate), stdout=asyncio.subprocess.PIPE, limit=MEBI
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    *lines, peak = [json.loads(line) for line in out.decode().splitlines()]
    return Run(lines, time.monotonic() - began, peak["kib"] / 1024)


async def row_by_row(gate: AdminGate, work: Work) -> tuple[float, float]:
    """As a script would: one user after the other, one row after the other. Users and logs a second."""
    database = sqlite3.connect(work.legacy)
    key = gate.lite.secret_key
    async with aiohttp.ClientSession(gate.url, headers={"apikey": key, "Authorization": f"Bearer {key}"}) as http:

        async def ask(method: str, path: str, body: Any) -> Any:
            async with http.request(method, path, json=body) as response:
                assert response.status < 300, await response.text()
                return await response.json(content_type=None) if method == "POST" and ADMIN in path else None

        began, users = time.monotonic(), []
        for number in range(ROW_BY_ROW[0]):
            made = await ask("POST", ADMIN, {"email": f"row.{number}@example.com", "email_confirm": True})
            users.append(made["id"])
            await ask("PATCH", f"/rest/v1/user_profiles?id=eq.{made['id']}", {"subscription_tier": "pro"})
        spent_on_users = time.monotonic() - began
        rows = database.execute("SELECT processing_type FROM usage_logs LIMIT ?", (ROW_BY_ROW[1],)).fetchall()
        began = time.monotonic()
        for number, (kind,) in enumerate(rows):
            log = {"user_id": users[number % len(users)], "processing_type": kind or "none", "scale_factor": "2x"}
            await ask("POST", "/rest/v1/usage_logs", log)
        spent_on_logs = time.monotonic() - began
    database.close()
    return ROW_BY_ROW[0] / spent_on_users, len(rows) / spent_on_logs


async def measure(options: argparse.Namespace, folder: Path, gate: AdminGate, target: Target) -> None:
    rules = [part for rule in RULES for part in ("--rule", rule)]
    sizes = [(options.users, options.logs), (options.users * 2, options.logs * 3)]
    async with gate.running():
        for number, (users, logs) in enumerate(sizes):
            target.empty()
            work = work_of(folder / f"old-{number}.db")
            make_legacy(work.legacy, users, logs)
            await run(gate, work, "backup")
            planned = await run(gate, work, "plan", *rules)
            applied = await run(gate, work, "apply")
            verified = await run(gate, work, "verify")
            print(f"{users:,} users and {logs:,} logs")
            print(f"  plan    {planned.seconds:6.1f} s, {planned.memory:.0f} MiB")
            print(f"  apply   {applied.seconds:6.1f} s, {applied.memory:.0f} MiB (goal: below {MEMORY_GOAL})")
            for what, goal in GOALS.items():
                print(f"    {what:<6}{applied.rate(what):8,.0f} a second (goal {goal:,})")
            print(f"  verify  {verified.seconds:6.1f} s, {verified.memory:.0f} MiB", flush=True)
            if number == 0:
                theirs = await row_by_row(gate, work)
                for name, one, ours in zip(GOALS, theirs, map(applied.rate, GOALS), strict=True):
                    print(f"  row by row: {name} {one:,.0f} a second, so ours is {ours / one:.1f} times as fast")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_migrate", description=__doc__)
    parser.add_argument("--users", type=int, default=1500)
    parser.add_argument("--logs", type=int, default=50_000)
    options = parser.parse_args(arguments)
    with running_target() as (folder, lite, dsn):
        asyncio.run(measure(options, folder, AdminGate(lite, dsn), Target(dsn)))


if __name__ == "__main__":
    main()
