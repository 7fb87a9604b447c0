"""A migration that is killed, anywhere and again and again, loses nothing and does nothing twice."""

from __future__ import annotations

import random

from daemon.migrate.work import Work, held
from tests.migrate.admin_emulator import AdminGate
from tests.migrate.conftest import planned
from tests.migrate.killing import Killer, run_killed
from tests.migrate.legacy_files import make_legacy
from tests.migrate.target import Target
from tests.migrate.test_apply import assert_same

USERS, LOGS, KILLS = 120, 1200, 3


async def test_killed_at_random_points_it_moves_all_and_takes_all_back(
    work: Work, gate: AdminGate, target: Target
) -> None:
    target.add_account("user.4@example.org", "team")
    before = target.dump()
    expected = make_legacy(work.legacy, USERS, LOGS, seed=11)
    expected.users["user.4@example.org"] = ("team", target.users()["user.4@example.org"][1])
    await planned(work, gate)
    killer = Killer(gate, random.Random(7))
    ends = await run_killed(killer, work, "apply", KILLS, 2 * (USERS + LOGS) // KILLS // 2, "--batch", "50")
    assert (ends[-1].code, ends[-1].said) == (0, "")
    assert killer.kills >= KILLS - 2
    assert_same(target, expected)
    assert len(gate.created) == len(set(gate.created))
    verified = await killer.run(work, "verify")
    assert (verified.code, verified.result["green"]) == (0, True), verified.said
    ends = await run_killed(killer, work, "rollback", 1, 2 * USERS // 3, "--yes")
    assert ends[-1].code == 0, ends[-1]
    assert target.dump() == before


async def test_a_second_run_refuses_while_one_is_at_work(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    with held(work):
        ended = await Killer(gate, random.Random(1)).run(work, "apply")
    assert (ended.code, "another run" in ended.said) == (1, True)
