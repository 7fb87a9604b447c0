"""`python -m tests.migrate.chaos`: the full round. A large file is moved, the mover killed, answers lost.

Afterwards the project has what the file had, row for row, nothing twice; and after a rollback, killed as well, what it
had before.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from daemon.migrate.work import Work, work_of
from tests.migrate.admin_emulator import AdminGate, Fault
from tests.migrate.killing import LOGS_WEIGH, Ended, Killer, run_killed
from tests.migrate.legacy_files import BCRYPT, PASSWORD, RULES, Expected, make_legacy
from tests.migrate.target import Target, running_target

LINKED_EVERY = 100  # of the users, one has an account before
BATCH = 500
ODDS = 0.01  # of each sort of fault


class FaultyGate(AdminGate):
    """Every hundredth answer is lost, and every hundredth request refused in one of the usual ways."""

    rng = random.Random(0)
    is_faulty = False
    happened: Counter[str]

    def _fault(self, _request: web.Request) -> Fault | None:
        drawn = self.rng.random()
        if not self.is_faulty or drawn > 2 * ODDS:
            return None
        if drawn > ODDS:
            self.happened["answers lost"] += 1
            return Fault("lose")
        status = self.rng.choice((429, 500, 502, 503, 504))
        self.happened[f"requests answered {status}"] += 1
        return Fault("refuse", status=status, retry_after="0" if status == 429 else "")


@dataclass
class Table:
    rows: list[tuple[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, name: str, figure: Any, *, holds: bool = True) -> None:
        self.rows.append((name, f"{figure:,}" if isinstance(figure, int) else str(figure)))
        print(f"{name}: {self.rows[-1][1]}", flush=True)
        if not holds:
            self.failed.append(name)

    def text(self) -> str:
        return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {figure} |" for name, figure in self.rows)])


def main() -> int:
    options = parser().parse_args()
    table = Table()
    with running_target() as (folder, lite, dsn):
        asyncio.run(round_of(options, folder, FaultyGate(lite, dsn), Target(dsn), table))
    print(f"\n{table.text()}")
    if table.failed:
        print(f"failed: {', '.join(table.failed)}", file=sys.stderr)
    return 1 if table.failed else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.migrate.chaos", description=__doc__)
    made.add_argument("--users", type=int, default=10_000)
    made.add_argument("--logs", type=int, default=200_000)
    made.add_argument("--kills", type=int, default=50)
    made.add_argument("--seed", type=int, default=20261127)
    return made


async def round_of(options: argparse.Namespace, folder: Path, gate: FaultyGate, target: Target, table: Table) -> None:
    work = work_of(folder / "pro-upscaler.db")
    expected = make_legacy(work.legacy, options.users, options.logs, options.seed)
    before_users = add_accounts(target, expected)
    before = target.dump()
    table.add("users in the old file", options.users)
    table.add("logs in the old file", options.logs)
    table.add("accounts that were there before", len(before["auth.users"]))
    gate.rng, gate.happened = random.Random(options.seed), Counter()
    async with gate.running():
        killer = Killer(gate, random.Random(options.seed))
        await prepare(killer, work, table)
        gate.is_faulty = True
        began = time.monotonic()
        weight = options.users + options.logs // BATCH * LOGS_WEIGH
        ends = await run_killed(killer, work, "apply", options.kills, 2 * weight // (options.kills + 10))
        table.add("kills while it moved", killer.kills, holds=killer.kills >= options.kills)
        for path, kills in sorted(killer.kills_by_path.items()):
            table.add(f"of them at {path}", kills)
        for name, count in sorted(gate.happened.items()):
            table.add(name, count)
        table.add("seconds to move, with all that", round(time.monotonic() - began, 1), holds=ends[-1].code == 0)
        gate.is_faulty = False
        compare(target, expected, before_users, gate, table)
        await verified(killer, folder, work, table)
        await taken_back(killer, work, target, before, options, table)


def add_accounts(target: Target, expected: Expected) -> dict[str, Any]:
    """Some of those who are in the file, with tiers and rows of their own; and some who are not."""
    emails = sorted(expected.users)[::LINKED_EVERY]
    for number, email in enumerate(emails):
        made = target.add_account(email, ("free", "pro", "team")[number % 3])
        target.db.execute(
            "insert into public.usage_logs (user_id, processing_type, scale_factor) values (%s, 'ultra', '8x')", [made]
        )
    for number in range(20):
        target.add_account(f"stranger.{number}@example.net")
    there = target.users()
    for email in emails:
        expected.users[email] = there[email]
        expected.resets.discard(email)
    expected.users |= there
    return there


async def prepare(killer: Killer, work: Work, table: Table) -> None:
    rules = [part for rule in RULES for part in ("--rule", rule)]
    assert (await killer.run(work, "backup")).code == 0
    asked = await killer.run(work, "plan")
    table.add("kinds of rows that needed a ruling", sum(not f["ruling"] for f in asked.result["findings"]))
    plan = await killer.run(work, "plan", *rules)
    assert plan.code == 0, plan.said
    for name in ("created", "linked", "merged"):
        table.add(f"planned: users {name}", plan.result[name])
    counts = plan.result["counts"]
    table.add("planned: users left out", sum(counts["users_left_out"].values()))
    table.add("planned: logs to be moved", counts["logs_to_move"])
    table.add("planned: logs left out", sum(counts["logs_left_out"].values()))


def compare(target: Target, expected: Expected, before: dict[str, Any], gate: FaultyGate, table: Table) -> None:
    theirs = [(email, "ultra", "8x", None) for email in before if email in expected.users]
    found = Counter(row for row in target.logs() if row[:4] not in theirs or row[4] is not None)
    wanted = Counter(expected.logs)
    table.add("logs in the project", found.total())
    table.add("logs lost", (wanted - found).total(), holds=not wanted - found)
    table.add("logs twice, or of nobody's", (found - wanted).total(), holds=not found - wanted)
    same = digest(found.elements()) == digest(wanted.elements())
    table.add("row hashes of file and project", "equal" if same else "differ", holds=same)
    users = target.users()
    table.add("users lost", len(expected.users.keys() - users.keys()), holds=not expected.users.keys() - users.keys())
    wrong = [email for email, made in expected.users.items() if users.get(email) != made]
    table.add("users with another tier or date", len(wrong), holds=not wrong)
    twice = len(gate.created) - len(set(gate.created))
    table.add("accounts made twice", twice, holds=not twice)
    counters = target.one("select count(*) from public.usage_counters")
    table.add("charges made by moving", counters, holds=not counters)


def digest(rows: Iterable[Any]) -> str:
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()


async def verified(killer: Killer, folder: Path, work: Work, table: Table) -> None:
    canaries = folder / "canaries"
    canaries.write_text(f"{canary(work)}:{PASSWORD}\n")
    began = time.monotonic()
    ended = await killer.run(work, "verify", "--canaries", str(canaries))
    result = ended.result
    table.add("verify", "green" if result["green"] else "not green", holds=ended.code == 0)
    for name in ("users", "profiles", "logs", "sums", "differences"):
        table.add(f"verify: {name}", result[name])
    table.add("seconds to verify", round(time.monotonic() - began, 1))


def canary(work: Work) -> str:
    """Somebody who was created with a hash that the server can check."""
    import sqlite3

    database = sqlite3.connect(work.legacy)
    query = "SELECT lower(email) FROM users WHERE password_hash = ? AND id % 50 = 12 ORDER BY id LIMIT 1"
    found: str = database.execute(query, (BCRYPT,)).fetchone()[0]
    database.close()
    return found


async def taken_back(
    killer: Killer, work: Work, target: Target, before: Any, options: argparse.Namespace, table: Table
) -> None:
    kills, began = killer.kills, time.monotonic()
    ends: list[Ended] = await run_killed(
        killer, work, "rollback", max(1, options.kills // 10), options.users // 3, "--yes"
    )
    table.add("kills while it took back", killer.kills - kills)
    table.add("seconds to take back", round(time.monotonic() - began, 1), holds=ends[-1].code == 0)
    after = target.dump()
    for name, rows in before.items():
        same = after[name] == rows
        table.add(f"{name} afterwards", "row for row as before" if same else "differs", holds=same)


if __name__ == "__main__":
    sys.exit(main())
