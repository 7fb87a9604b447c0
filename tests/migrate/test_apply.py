"""Users and logs arrive once, whole and the same, whatever comes between."""

from __future__ import annotations

import csv
import sqlite3
from typing import Literal

import pytest

from daemon.errors import MigrationInterrupted, MigrationRefused
from daemon.migrate.apply import apply
from daemon.migrate.defaults import Tempo
from daemon.migrate.recovery import send_recoveries
from daemon.migrate.work import Work
from tests.migrate.admin_emulator import ADMIN, AdminGate, Fault
from tests.migrate.conftest import QUICK, migrating, moved, planned
from tests.migrate.legacy_files import Expected, make_legacy
from tests.migrate.target import Target

pytestmark = pytest.mark.usefixtures("soon")
LOGS = "/rest/v1/usage_logs"
PROFILES = "/rest/v1/user_profiles"


def assert_same(target: Target, expected: Expected) -> None:
    assert target.users() == expected.users
    assert target.logs() == sorted(expected.logs, key=repr)


@pytest.mark.parametrize("ids", ["integer", "uuid"])
async def test_what_is_there_afterwards_is_what_was_in_the_file(
    work: Work, gate: AdminGate, target: Target, ids: Literal["integer", "uuid"]
) -> None:
    expected = make_legacy(work.legacy, 120, 600, ids=ids)
    report = await moved(work, gate)
    assert (report.is_complete, report.logs, report.needing_reset) == (True, len(expected.logs), len(expected.resets))
    assert_same(target, expected)


async def test_moved_rows_can_be_told_and_charge_nobody(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        run = migration.run
    query = "select distinct event_status, device_id::text, event_at from public.usage_logs"
    assert target.rows(query) == [("done", run, None)]
    assert target.one("select count(*) from public.usage_counters") == 0
    order = target.rows("select device_seq from public.usage_logs order by created_at")
    assert order == sorted(order)


@pytest.mark.parametrize("path", [ADMIN, PROFILES, LOGS])
@pytest.mark.parametrize("kind", ["lose", "refuse"])
async def test_lost_answers_and_refused_requests_cost_nothing_but_time(
    work: Work, gate: AdminGate, target: Target, path: str, kind: Literal["lose", "refuse"]
) -> None:
    expected = make_legacy(work.legacy, 40, 200)
    await planned(work, gate)
    gate.faults = [Fault(kind, path, status, times=3, method="POST") for status in (503, 429, 500, 504)]
    async with migrating(work, gate) as migration:
        assert (await apply(migration)).is_complete
    assert all(fault.times == 0 for fault in gate.faults)
    assert_same(target, expected)
    assert len(gate.created) == len(set(gate.created))


async def test_a_500_of_auth_itself_may_have_been_done_and_is_looked_after(
    work: Work, gate: AdminGate, target: Target
) -> None:
    expected = make_legacy(work.legacy, 20, 20)
    await planned(work, gate)
    body = {"code": 500, "error_code": "unexpected_failure", "msg": "Database error creating new user"}
    gate.faults = [Fault("refuse", ADMIN, 500, times=4, method="POST", body=body), Fault("lose", ADMIN, times=4)]
    async with migrating(work, gate) as migration:
        assert (await apply(migration)).is_complete
    assert_same(target, expected)


async def test_a_project_that_is_away_for_too_long_ends_the_run_and_the_next_one_goes_on(
    work: Work, gate: AdminGate, target: Target
) -> None:
    expected = make_legacy(work.legacy, 80, 400)
    await planned(work, gate)
    for path in (ADMIN, PROFILES, LOGS):
        gate.faults = [Fault("refuse", path, 503, times=10**6, method="POST")]
        async with migrating(work, gate, Tempo(patience=0.01, batch=50)) as migration:
            with pytest.raises(MigrationInterrupted):
                await apply(migration)
    gate.faults = []
    async with migrating(work, gate) as migration:
        assert (await apply(migration)).is_complete
    assert_same(target, expected)


async def test_applied_twice_it_does_nothing_more(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 30, 100)
    first = await moved(work, gate)
    before = target.dump()
    async with migrating(work, gate) as migration:
        assert await apply(migration) == first
    assert target.dump() == before


async def test_who_has_an_account_keeps_it_as_it_is_and_gets_her_logs(
    work: Work, gate: AdminGate, target: Target
) -> None:
    account = target.add_account("user.4@example.org", "team")
    before = target.rows("select u::text, p::text from auth.users u join public.user_profiles p on p.id = u.id")
    make_legacy(work.legacy, 10, 300)
    await moved(work, gate)
    query = "select u::text, p::text from auth.users u join public.user_profiles p on p.id = u.id where u.id = %s"
    assert target.rows(query, account) == before
    assert target.one("select count(*) from public.usage_logs where user_id = %s", account) > 10


async def test_who_has_an_account_without_a_profile_gets_one(work: Work, gate: AdminGate, target: Target) -> None:
    account = target.add_account("user.1@example.org")
    target.db.execute("delete from public.user_profiles")
    make_legacy(work.legacy, 10, 30)
    await moved(work, gate)
    assert target.one("select subscription_tier from public.user_profiles where id = %s", account) == "pro"


async def test_an_account_made_since_the_plan_is_linked_and_not_overwritten(
    work: Work, gate: AdminGate, target: Target
) -> None:
    make_legacy(work.legacy, 10, 300)
    await planned(work, gate)
    account = target.add_account("user.4@example.org", "team")
    async with migrating(work, gate) as migration:
        report = await apply(migration)
    assert (report.is_complete, report.linked) == (True, 1)
    assert target.users()["user.4@example.org"][0] == "team"
    assert target.one("select count(*) from public.usage_logs where user_id = %s", account) > 10


async def test_an_account_gone_since_the_plan_is_made(work: Work, gate: AdminGate, target: Target) -> None:
    target.add_account("user.4@example.org", "team")
    expected = make_legacy(work.legacy, 10, 100)
    await planned(work, gate)
    target.empty()
    async with migrating(work, gate) as migration:
        assert (await apply(migration)).is_complete
    assert_same(target, expected)


async def test_an_id_taken_since_the_plan_is_refused_and_held_and_moved_once_it_is_free(
    work: Work, gate: AdminGate, target: Target
) -> None:
    expected = make_legacy(work.legacy, 10, 100, ids="uuid")
    database = sqlite3.connect(work.legacy)
    taken = database.execute("SELECT id FROM users WHERE rowid = 5").fetchone()[0]
    database.close()
    await planned(work, gate)
    target.add_account("stranger@example.net", user=taken)
    async with migrating(work, gate) as migration:
        report = await apply(migration)
    assert (report.refused, report.is_complete) == (1, False)
    assert report.refused_logs > 0
    target.db.execute("delete from auth.identities where user_id = %s", [taken])
    target.db.execute("delete from auth.users where id = %s", [taken])
    async with migrating(work, gate) as migration:
        report = await apply(migration)
    assert (report.refused, report.refused_logs, report.is_complete) == (0, 0, True)
    assert_same(target, expected)


REFUSES = """
create function emulator.refuse() returns trigger language plpgsql as $$ begin
  if new.device_seq between 10 and 14 then raise exception 'not this one' using errcode = '22023'; end if;
  return new;
end $$;
create trigger refuse before insert on public.usage_logs for each row execute function emulator.refuse();
"""


async def test_rows_that_the_database_does_not_take_hold_back_no_others(
    work: Work, gate: AdminGate, target: Target
) -> None:
    expected = make_legacy(work.legacy, 10, 200)
    target.db.execute(REFUSES)
    try:
        report = await moved(work, gate)
    finally:
        target.db.execute("drop function emulator.refuse() cascade")
    assert (report.refused_logs + report.logs, report.is_complete) == (len(expected.logs), False)
    async with migrating(work, gate) as migration:
        refused = migration.ledger.db.execute("SELECT seq, code FROM refused_log").fetchall()
        assert {(seq in range(10, 15), code) for seq, code in refused} == {(True, "22023")}
        assert (await apply(migration)).is_complete
    assert_same(target, expected)


async def test_a_key_that_is_not_taken_is_told_at_once(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    await planned(work, gate)
    gate.faults = [Fault("refuse", status=401, times=100, body={"message": "Invalid API key"})]
    async with migrating(work, gate) as migration:
        with pytest.raises(MigrationRefused, match="secret key"):
            await apply(migration)


async def test_it_needs_a_plan(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    async with migrating(work, gate) as migration:
        with pytest.raises(MigrationRefused, match="first: pro-engine migrate plan"):
            await apply(migration)


async def test_who_sets_a_new_password_is_listed_and_gets_one_mail(work: Work, gate: AdminGate, target: Target) -> None:
    expected = make_legacy(work.legacy, 40, 10)
    await moved(work, gate)
    with work.recovery.open() as file:
        assert {row["email"] for row in csv.DictReader(file)} == expected.resets
    assert work.recovery.stat().st_mode & 0o077 == 0
    gate.faults = [Fault("refuse", "/recover", 429)]
    async with migrating(work, gate) as migration:
        assert await send_recoveries(migration) == len(expected.resets)
        assert await send_recoveries(migration) == 0
    assert sorted(gate.mails) == sorted(expected.resets)


async def test_neither_log_nor_ledger_holds_an_address_a_hash_or_the_key(
    work: Work, gate: AdminGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_legacy(work.legacy, 30, 50)
    await planned(work, gate)
    monkeypatch.setattr("daemon.migrate.apply_users.GROUP", 1)  # so that they are asked for in their order
    gate.faults = [
        Fault("refuse", ADMIN, 422, method="POST", body={"error_code": "weak", "msg": f"{email} is odd"})
        for email in ("User.1@example.org", "user.2@example.org")
    ]
    async with migrating(work, gate, QUICK) as migration:
        await apply(migration)
        notes = migration.ledger.db.execute("SELECT note FROM user WHERE note IS NOT NULL").fetchall()
        assert (len(notes), all("odd" in note for (note,) in notes)) == (2, True)
        migration.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in (work.log, work.ledger, work.plan, *work.folder.glob("*.json")):
        content = path.read_bytes().lower()
        for secret in (b"@example.org", b"$2b$04$", b"$argon2", gate.lite.secret_key.encode().lower()):
            assert secret not in content, (path, secret)
