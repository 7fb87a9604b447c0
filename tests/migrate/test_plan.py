"""The plan says exactly what will happen, and nothing has happened yet."""

from __future__ import annotations

import json
import sqlite3
import uuid
from typing import Any

import pytest

from daemon.errors import MigrationRefused, RulingsNeeded
from daemon.migrate.choices import Choices
from daemon.migrate.ids import as_text, user_id
from daemon.migrate.plan import plan
from daemon.migrate.rollback import rollback
from daemon.migrate.rulings import read_rulings
from daemon.migrate.verify import verify
from daemon.migrate.work import Work, work_of
from tests.migrate.admin_emulator import AdminGate, Fault
from tests.migrate.conftest import CHOICES, migrating, moved, planned
from tests.migrate.legacy_files import RULES, make_legacy
from tests.migrate.target import Target

pytestmark = pytest.mark.usefixtures("soon")


def lines(work: Work) -> list[dict[str, Any]]:
    return [json.loads(line) for line in work.plan.read_text().splitlines()]


def users_of(work: Work) -> dict[str, dict[str, Any]]:
    return {str(line["user"]): line for line in lines(work) if "user" in line}


async def test_it_changes_nothing_in_the_project(work: Work, gate: AdminGate, target: Target) -> None:
    target.add_account("user.4@example.org")
    before = target.dump()
    make_legacy(work.legacy, 60, 200)
    await planned(work, gate)
    assert target.dump() == before


async def test_it_names_every_user_and_every_log_that_is_left_out(work: Work, gate: AdminGate) -> None:
    expected = make_legacy(work.legacy, 60, 400)
    report = await planned(work, gate)
    users = users_of(work)
    assert len(users) == 60
    assert {number: users[number]["action"] for number in ("1", "2", "3", "7")} == {
        "1": "create",
        **({"2": "create", "3": "merge"} if users["3"]["action"] == "merge" else {"2": "merge", "3": "create"}),
        "7": "leave",
    }
    assert users["7"]["reason"] == "invalid-email"
    assert users["1"]["id"] == as_text(user_id(gate.url, "1"))
    left_out = [line for line in lines(work) if "log" in line]
    assert len(left_out) == 400 - len(expected.logs) == sum(report.counts.logs_left_out.values())
    assert {line["reason"] for line in left_out} <= {"orphans", "bad-date", "user-left-out"}
    assert report.counts.needing_reset == len(expected.resets)


async def test_the_same_file_project_and_rulings_make_the_same_plan(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 60, 200)
    first = await planned(work, gate)
    other = Work(work.legacy, work.folder.with_name("other"))
    second = await planned(other, gate)
    assert first.digest == second.digest
    assert first.run != second.run


async def test_what_has_no_ruling_stops_it_and_nothing_is_planned(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 60, 200)
    with pytest.raises(RulingsNeeded) as stopped:
        await planned(work, gate, Choices(rulings=read_rulings(None, RULES[1:])))
    assert [finding.kind for finding in stopped.value.details["report"].unruled] == ["duplicate-email"]
    assert not work.plan.exists()
    async with migrating(work, gate) as migration:
        assert migration.ledger.get("plan") is None
        assert migration.ledger.number("SELECT count(*) FROM user") == 0


async def test_who_has_an_account_is_linked_whatever_the_case_of_her_address(
    work: Work, gate: AdminGate, target: Target
) -> None:
    account = target.add_account("user.4@example.org", "team")
    make_legacy(work.legacy, 20, 20)
    report = await planned(work, gate)
    assert (report.linked, users_of(work)["4"]["action"], users_of(work)["4"]["id"]) == (1, "link", account)


@pytest.mark.parametrize(("ruling", "action"), [("link", "link"), ("new", "create"), ("skip", "leave")])
async def test_a_uuid_that_is_anothers_is_ruled_on(
    work: Work, gate: AdminGate, target: Target, ruling: str, action: str
) -> None:
    make_legacy(work.legacy, 5, 5, ids="uuid")
    database = sqlite3.connect(work.legacy)
    taken = str(uuid.UUID(database.execute("SELECT id FROM users LIMIT 1").fetchone()[0]))
    database.close()
    target.add_account("somebody@example.net", user=taken)
    with pytest.raises(RulingsNeeded) as stopped:
        await planned(work, gate)
    assert [finding.key for finding in stopped.value.details["report"].unruled] == ["taken-id"]
    await planned(work, gate, Choices(rulings=read_rulings(None, [*RULES, f"taken-id={ruling}"])))
    planned_user = users_of(work)[taken]
    assert planned_user["action"] == action
    assert ruling != "new" or planned_user["id"] != taken
    assert ruling != "link" or planned_user["id"] == taken


async def test_logs_that_the_old_app_wrote_to_both_are_found_and_ruled_on(
    work: Work, gate: AdminGate, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.migrate.data_api.PAGE", 7)
    expected = make_legacy(work.legacy, 10, 200)
    theirs = [log for log in expected.logs if log[0] == "user.4@example.org"]
    account = target.add_account("user.4@example.org")
    for _, kind, scale, pixels, milliseconds, created in theirs[:8]:
        target.db.execute(
            "insert into public.usage_logs "
            "(user_id, processing_type, scale_factor, image_pixels, processing_time_ms, created_at) "
            "values (%s, %s, %s, %s, nullif(%s, 0), to_timestamp(%s) + interval '0.4 s')",
            [account, kind, scale, pixels, milliseconds, created / 1_000_000],
        )
    with pytest.raises(RulingsNeeded) as stopped:
        await planned(work, gate)
    assert [(one.key, one.count) for one in stopped.value.details["report"].unruled] == [("already-there", 8)]
    await moved(work, gate, Choices(rulings=read_rulings(None, [*RULES, "already-there=skip"])))
    assert len(target.logs()) == len(expected.logs)
    async with migrating(work, gate) as migration:
        assert (await verify(migration, [])).is_green
        assert (await rollback(migration)).is_complete
    assert len(target.logs()) == 8
    await moved(work, gate, Choices(rulings=read_rulings(None, [*RULES, "already-there=move"])))
    assert len(target.logs()) == len(expected.logs) + 8


async def test_it_needs_a_backup(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    async with migrating(work, gate) as migration:
        with pytest.raises(MigrationRefused, match="first: pro-engine migrate backup"):
            await plan(migration, CHOICES)


async def test_a_project_without_our_tables_is_refused_with_the_way_there(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    gate.faults = [
        Fault("refuse", "usage_logs", 400, body={"code": "42703", "message": "column event_id does not exist"})
    ]
    with pytest.raises(MigrationRefused, match="supabase db push"):
        await planned(work, gate)


async def test_a_folder_of_another_project_is_refused(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    await planned(work, gate)
    gate.url += "/"
    with pytest.raises(MigrationRefused, match="is of a migration to"):
        await planned(work, gate)


async def test_there_is_no_new_plan_once_users_were_moved(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        with pytest.raises(MigrationRefused, match="rollback takes it back"):
            await plan(migration, CHOICES)


async def test_accounts_are_found_beyond_the_first_page_and_however_they_are_ordered(
    work: Work, gate: AdminGate, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.migrate.admin_api.PAGE", 3)
    for number in range(1, 12):
        target.add_account(f"user.{number}@example.org")
    target.db.execute("update auth.users set created_at = '2020-01-01'")  # nothing decides their order
    make_legacy(work.legacy, 20, 20)
    assert (await planned(work, gate)).linked >= 9


def test_the_folder_lies_beside_the_file_unless_it_is_said_where(work: Work) -> None:
    assert work_of(work.legacy).folder == work.legacy.with_name("pro-upscaler.db.migration")
