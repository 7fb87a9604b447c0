"""A rollback leaves the project as it was, but for those who have come to use it since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.errors import MigrationInterrupted, MigrationRefused
from daemon.migrate.apply import apply
from daemon.migrate.canary import Canary
from daemon.migrate.defaults import Tempo
from daemon.migrate.rollback import RollbackReport, rollback
from daemon.migrate.verify import verify
from daemon.migrate.work import Work
from tests.migrate.admin_emulator import ADMIN, AdminGate, Fault
from tests.migrate.conftest import QUICK, migrating, moved, planned
from tests.migrate.legacy_files import PASSWORD, make_legacy
from tests.migrate.target import Dump, Target

pytestmark = pytest.mark.usefixtures("soon")


async def taken_back(work: Work, gate: AdminGate, tempo: Tempo = QUICK) -> RollbackReport:
    async with migrating(work, gate, tempo) as migration:
        return await rollback(migration)


@pytest.fixture
def before(target: Target) -> Dump:
    """A project with accounts of its own: one with a tier and rows, one without a profile; both are in the file too."""
    first = target.add_account("user.4@example.org", "team")
    target.db.execute(
        "insert into public.usage_logs (user_id, processing_type, scale_factor, event_id, device_id) "
        "select %s, 'ultra', '8x', gen_random_uuid(), gen_random_uuid() from generate_series(1, 5)",
        [first],
    )
    second = target.add_account("user.1@example.org")
    target.db.execute("delete from public.user_profiles where id = %s", [second])
    target.add_account("stranger@example.net", "pro")
    return target.dump()


async def test_the_project_is_row_for_row_as_it_was(
    work: Work, gate: AdminGate, target: Target, before: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.migrate.data_api.PAGE", 7)
    monkeypatch.setattr("daemon.migrate.rollback.GROUP", 9)
    make_legacy(work.legacy, 40, 300)
    report = await moved(work, gate)
    assert target.dump() != before
    back = await taken_back(work, gate)
    assert (back.is_complete, back.removed, back.unlinked, back.logs) == (True, report.created, 2, report.logs)
    assert target.dump() == before


async def test_what_goes_is_written_down_first(work: Work, gate: AdminGate, target: Target, before: Dump) -> None:
    make_legacy(work.legacy, 20, 100)
    report = await moved(work, gate)
    ours = {str(row[0]) for row in target.rows("select id from public.usage_logs where event_at is null")}
    back = await taken_back(work, gate)
    lines = [json.loads(line) for line in Path(back.export).read_text().splitlines()]
    assert len([line for line in lines if "account" in line]) == report.created
    assert {line["log"]["id"] for line in lines if "log" in line} == ours - {
        str(row[0]) for row in target.rows("select id from public.usage_logs")
    }
    assert Path(back.export).stat().st_mode & 0o077 == 0


async def test_it_takes_back_half_a_migration_as_well(
    work: Work, gate: AdminGate, target: Target, before: Dump
) -> None:
    make_legacy(work.legacy, 100, 300)
    await planned(work, gate)
    gate.faults = [Fault("refuse", "usage_logs", 503, times=10**6, method="POST")]
    async with migrating(work, gate, Tempo(patience=0.01)) as migration:
        with pytest.raises(MigrationInterrupted):
            await apply(migration)
    gate.faults = []
    assert (await taken_back(work, gate)).is_complete
    assert target.dump() == before


@pytest.mark.parametrize("path", [ADMIN, "/rest/v1/user_profiles", "/rest/v1/usage_logs"])
async def test_interrupted_it_goes_on(work: Work, gate: AdminGate, target: Target, before: Dump, path: str) -> None:
    make_legacy(work.legacy, 70, 100)
    await moved(work, gate)
    gate.faults = [
        Fault("lose", path, times=2, method="DELETE"),
        Fault("refuse", path, 503, times=10**6, method="DELETE"),
    ]
    with pytest.raises(MigrationInterrupted):
        await taken_back(work, gate, Tempo(patience=0.01))
    gate.faults = []
    assert (await taken_back(work, gate)).is_complete
    assert target.dump() == before


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("update auth.users set last_sign_in_at = now() where id = %s", "signed in"),
        (
            "insert into public.usage_logs (user_id, processing_type, scale_factor) values (%s, 'ultra', '8x')",
            "used the service",
        ),
        ("update public.user_profiles set subscription_tier = 'team' where id = %s", "tier was changed"),
        ("update auth.users set raw_app_meta_data = '{}' where id = %s", "this migration's mark"),
    ],
)
async def test_whoever_uses_her_account_by_now_keeps_all_of_it_and_is_listed(
    work: Work, gate: AdminGate, target: Target, deed: str, why: str
) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    her = target.one("select id from auth.users where email = 'user.5@example.org'")
    target.db.execute(deed.encode(), [her])
    logs = target.one("select count(*) from public.usage_logs where user_id = %s", her)
    back = await taken_back(work, gate)
    assert [(one["user"], why in one["why"]) for one in back.left] == [("5", True)]
    assert not back.is_complete
    assert target.rows("select id from auth.users") == [(her,)]
    assert target.one("select count(*) from public.usage_logs") == logs


async def test_our_own_canary_is_no_use_of_an_account(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 10, 10)
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        assert (await verify(migration, [Canary("user.9@example.org", PASSWORD)])).is_green
    assert target.one("select last_sign_in_at from auth.users where email = 'user.9@example.org'") is not None
    assert (await taken_back(work, gate)).is_complete
    assert target.rows("select id from auth.users") == []


async def test_rows_with_our_mark_that_are_not_ours_keep_their_user(
    work: Work, gate: AdminGate, target: Target
) -> None:
    make_legacy(work.legacy, 10, 50)
    await moved(work, gate)
    target.db.execute(
        "update public.usage_logs set event_id = gen_random_uuid() "
        "where id = (select id from public.usage_logs limit 1)"
    )
    back = await taken_back(work, gate)
    assert list(back.reasons) == ["there are logs with this migration's mark that the ledger does not know"]


async def test_after_a_rollback_one_can_plan_and_move_again(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 20, 100)
    first = await moved(work, gate)
    await taken_back(work, gate)
    with pytest.raises(MigrationRefused, match="first: pro-engine migrate plan"):
        async with migrating(work, gate) as migration:
            await apply(migration)
    assert await moved(work, gate) == first


async def test_whoever_stays_can_be_let_stay_and_is_linked_the_next_time(
    work: Work, gate: AdminGate, target: Target
) -> None:
    expected = make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    target.db.execute("update auth.users set last_sign_in_at = now() where email = 'user.5@example.org'")
    async with migrating(work, gate) as migration:
        assert not (await rollback(migration, let_stay=True)).is_complete
    again = await moved(work, gate)
    assert (again.linked, again.is_complete) == (1, True)
    assert target.logs() == sorted(expected.logs, key=repr)
    async with migrating(work, gate) as migration:
        assert (await rollback(migration)).is_complete
    assert [row[0] for row in target.rows("select email from auth.users")] == ["user.5@example.org"]
    assert target.one("select count(*) from public.usage_logs") == sum(
        log[0] == "user.5@example.org" for log in expected.logs
    )


async def test_what_answers_in_place_of_auth_takes_nobody_back(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 5, 20)
    await moved(work, gate)
    before = target.dump()
    gate.faults = [Fault("refuse", ADMIN, 404, times=100, method="GET", body={"message": "no Route matched"})]
    with pytest.raises(MigrationRefused, match="whether an account is there"):
        await taken_back(work, gate)
    assert target.dump() == before


async def test_half_rolled_back_nothing_is_moved_any_more(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    target.db.execute("update auth.users set last_sign_in_at = now()")
    await taken_back(work, gate)
    async with migrating(work, gate) as migration:
        with pytest.raises(MigrationRefused, match="was rolled back"):
            await apply(migration)
        with pytest.raises(MigrationRefused, match="was rolled back"):
            await verify(migration, [])


async def test_a_second_migration_takes_back_only_what_it_has_added(
    work: Work, gate: AdminGate, target: Target
) -> None:
    make_legacy(work.legacy, 20, 100)
    await moved(work, gate)
    after_first = target.dump()
    other = Work(work.legacy, work.folder.with_name("second"))
    second = await moved(other, gate)
    assert (second.created, second.linked > 0) == (0, True)
    assert target.dump() == after_first
    assert (await taken_back(other, gate)).is_complete
    assert target.dump() == after_first


async def test_before_anything_was_moved_there_is_nothing_to_take_back(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 5)
    await planned(work, gate)
    with pytest.raises(MigrationRefused, match="nothing was moved"):
        await taken_back(work, gate)


OWNERS = """
alter table public.usage_logs drop constraint usage_logs_user_id_fkey;
alter table public.usage_logs
  add constraint usage_logs_user_id_fkey foreign key (user_id) references public.user_profiles;
alter table public.user_profiles drop constraint user_profiles_id_fkey;
alter table public.user_profiles add constraint user_profiles_id_fkey foreign key (id) references auth.users;
"""
OURS = OWNERS.replace("public.user_profiles;", "auth.users on delete cascade;", 1)
OURS = OURS.replace("references auth.users;", "references auth.users on delete cascade;")


async def test_tables_of_an_owner_that_let_go_of_nothing_by_themselves_are_left_in_order(
    work: Work, gate: AdminGate, target: Target, before: Dump
) -> None:
    make_legacy(work.legacy, 20, 100)
    target.db.execute("insert into public.user_profiles (id) select id from auth.users on conflict do nothing")
    before = target.dump()
    target.db.execute(OWNERS.encode())
    try:
        report = await moved(work, gate)
        assert report.is_complete
        assert (await taken_back(work, gate)).is_complete
        assert target.dump() == before
    finally:
        target.empty()
        target.db.execute(OURS.encode())
