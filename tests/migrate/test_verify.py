"""Verify is green when everything is the same, and red for each single thing that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import MigrationRefused, WrongSettings
from daemon.migrate.apply import apply
from daemon.migrate.canary import Canary, read_canaries
from daemon.migrate.verify import VerifyReport, verify
from daemon.migrate.work import Work
from tests.migrate.admin_emulator import ADMIN, AdminGate, Fault
from tests.migrate.conftest import migrating, moved, planned
from tests.migrate.legacy_files import PASSWORD, make_legacy
from tests.migrate.target import Target

pytestmark = pytest.mark.usefixtures("soon")
CARRIED = "user.9@example.org"  # with a bcrypt hash of PASSWORD


async def verified(work: Work, gate: AdminGate, *canaries: Canary, accept_refused: bool = False) -> VerifyReport:
    async with migrating(work, gate) as migration:
        return await verify(migration, canaries, accept_refused=accept_refused)


async def is_marked(work: Work, gate: AdminGate) -> bool:
    async with migrating(work, gate) as migration:
        return migration.ledger.get("verified") is not None


async def test_what_was_moved_is_green_and_counted_on_both_sides(
    work: Work, gate: AdminGate, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.migrate.data_api.PAGE", 7)
    monkeypatch.setattr("daemon.migrate.verify_logs.GROUP", 3)
    target.add_account("user.4@example.org", "team")
    expected = make_legacy(work.legacy, 30, 200)
    await moved(work, gate)
    report = await verified(work, gate)
    assert report.is_green, report.differences.shown
    assert (report.logs, report.users, report.profiles) == (
        len(expected.logs),
        len(expected.users),
        len(expected.users),
    )
    assert report.kinds_without_canary == ["argon2id", "bcrypt"]
    assert await is_marked(work, gate)


@pytest.mark.parametrize(
    ("deed", "what"),
    [
        ("delete from public.usage_logs where id = {log}", "a log is missing"),
        ("update public.usage_logs set image_pixels = coalesce(image_pixels, 0) + 1 where id = {log}", "a log differs"),
        (
            "update public.usage_logs set created_at = created_at + interval '1 microsecond' where id = {log}",
            "a log differs",
        ),
        ("update public.usage_logs set scale_factor = '3x' where id = {log}", "a log differs"),
        (
            "update public.usage_logs set event_id = gen_random_uuid() where id = {log}",
            "a log is there that was not sent",
        ),
        (
            "update public.user_profiles set subscription_tier = 'nobody' where id = {user}",
            "a profile has another tier",
        ),
        ("update public.user_profiles set created_at = now() where id = {user}", "a profile has another date"),
        ("delete from public.user_profiles where id = {user}", "a user has no profile"),
        ("update auth.users set email = 'x@example.net' where id = {user}", "an account has another address"),
        (
            "update auth.users set raw_app_meta_data = '{{}}' where id = {user}",
            "an account does not bear this run's mark",
        ),
        ("delete from auth.users where id = {user}", "a user has no account"),
    ],
)
async def test_any_single_difference_is_red_and_takes_the_mark_away(
    work: Work, gate: AdminGate, target: Target, deed: str, what: str
) -> None:
    make_legacy(work.legacy, 10, 60)
    await moved(work, gate)
    assert (await verified(work, gate)).is_green
    log, user = target.rows("select id, user_id from public.usage_logs order by device_seq limit 1 offset 3")[0]
    target.db.execute(deed.format(log=f"'{log}'", user=f"'{user}'").encode())
    report = await verified(work, gate)
    assert not report.is_green
    assert what in {difference["what"] for difference in report.differences.shown}
    assert not await is_marked(work, gate)


async def test_a_ledger_that_is_not_what_the_backup_says_is_red(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 10, 60)
    await moved(work, gate)
    async with migrating(work, gate) as migration:
        migration.ledger.db.execute("UPDATE log SET digest = x'00' WHERE seq = (SELECT min(seq) FROM log)")
    report = await verified(work, gate)
    assert "a log of the backup was not sent as it is" in {one["what"] for one in report.differences.shown}


async def test_rows_of_others_and_of_later_use_are_no_difference(work: Work, gate: AdminGate, target: Target) -> None:
    make_legacy(work.legacy, 10, 60)
    await moved(work, gate)
    target.db.execute(
        "insert into public.usage_logs (user_id, processing_type, scale_factor, event_id) "
        "select id, 'ultra', '8x', gen_random_uuid() from auth.users"
    )
    assert (await verified(work, gate)).is_green


async def test_what_was_refused_is_red_unless_that_is_accepted(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 10, 60)
    await planned(work, gate)
    gate.faults = [Fault("refuse", ADMIN, 400, body={"error_code": "validation_failed"}, method="POST")]
    async with migrating(work, gate) as migration:
        assert (await apply(migration)).refused == 1
    assert not (await verified(work, gate)).is_green
    report = await verified(work, gate, accept_refused=True)
    assert (report.is_green, report.refused_users, report.refused_logs > 0) == (True, 1, True)


async def test_before_apply_has_come_to_its_end_there_is_nothing_to_verify(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 10, 60)
    await planned(work, gate)
    with pytest.raises(MigrationRefused, match="first: pro-engine migrate apply"):
        await verified(work, gate)


async def test_a_canary_signs_in_with_her_old_password(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 10, 10)
    await moved(work, gate)
    gate.faults = [Fault("refuse", "/token", 503)]
    report = await verified(work, gate, Canary(CARRIED, PASSWORD))
    assert [(sung.user, sung.kind, sung.is_well) for sung in report.canaries] == [("9", "bcrypt", True)]
    assert (report.is_green, report.kinds_without_canary) == (True, ["argon2id"])


async def test_a_canary_that_is_not_let_in_is_red(work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 10, 10)
    await moved(work, gate)
    report = await verified(work, gate, Canary(CARRIED, "wrong"), Canary("nobody@example.org", "x"))
    assert [sung.is_well for sung in report.canaries] == [False, False]
    assert not report.is_green


def test_canaries_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "canaries"
    file.write_text("Ann@Example.org:pass:word\n\nbob@example.org:x\n")
    assert read_canaries(file) == [Canary("ann@example.org", "pass:word"), Canary("bob@example.org", "x")]
    assert read_canaries(None, {"PRO_ENGINE_CANARIES": "ann@example.org:x"}) == [Canary("ann@example.org", "x")]
    assert read_canaries(None, {}) == []
    assert "pass" not in repr(read_canaries(file))


@pytest.mark.parametrize("line", ["ann@example.org", "ann:secret", ":secret", "ann@example.org:"])
def test_a_line_that_is_no_canary_is_told_by_its_number_only(tmp_path: Path, line: str) -> None:
    (tmp_path / "canaries").write_text(f"\n{line}\n")
    with pytest.raises(WrongSettings, match="line 2") as told:
        read_canaries(tmp_path / "canaries")
    assert "secret" not in told.value.message
