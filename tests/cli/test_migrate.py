"""The command as an operator, or a script, meets it: what it prints, and with what it exits."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from daemon.cli.parser import build_parser, command_named
from daemon.errors import WrongSettings
from daemon.migrate.work import Work, held
from tests.migrate.admin_emulator import AdminGate, Fault
from tests.migrate.conftest import cluster as cluster  # noqa: PLC0414, fixtures
from tests.migrate.conftest import gate as gate  # noqa: PLC0414
from tests.migrate.conftest import lite_and_dsn as lite_and_dsn  # noqa: PLC0414
from tests.migrate.conftest import soon as soon  # noqa: PLC0414
from tests.migrate.conftest import target as target  # noqa: PLC0414
from tests.migrate.conftest import work as work  # noqa: PLC0414
from tests.migrate.legacy_files import PASSWORD, RULES, make_legacy
from tests.migrate.target import Target

Say = Callable[..., Awaitable[tuple[int, list[dict[str, Any]], str]]]
RULINGS = [part for rule in RULES for part in ("--rule", rule)]


def said_by(capsys: pytest.CaptureFixture[str], work: Work) -> Say:
    async def say(action: str, *options: str, as_json: bool = True) -> tuple[int, list[dict[str, Any]], str]:
        """Exit code, lines of JSON, and all that was printed."""
        words = ["migrate", action, str(work.legacy), *(["--json"] if as_json else []), *options]
        parsed = build_parser().parse_args(words)
        code = await asyncio.to_thread(command_named("migrate"), parsed)
        printed = capsys.readouterr()
        lines = [json.loads(line) for line in printed.out.splitlines()] if as_json else []
        return code, lines, printed.out + printed.err

    return say


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], work: Work, monkeypatch: pytest.MonkeyPatch, soon: None) -> Say:
    """Without a project."""
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    return said_by(capsys, work)


@pytest.fixture
def say_to(say: Say, gate: AdminGate, monkeypatch: pytest.MonkeyPatch) -> Say:
    """With one."""
    monkeypatch.setenv("SUPABASE_URL", gate.url)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", gate.lite.secret_key)
    return say


async def test_from_the_audit_to_the_cleanup(
    say_to: Say, work: Work, target: Target, gate: AdminGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = make_legacy(work.legacy, 30, 100)
    code, lines, _ = await say_to("audit")
    assert (code, lines[-1]["ready"]) == (3, False)
    assert (await say_to("audit", *RULINGS))[0] == 0
    assert (await say_to("backup"))[0] == 0
    code, lines, _ = await say_to("plan")
    assert (code, lines[-1]["ready"]) == (3, False)
    assert (await say_to("plan", *RULINGS))[0] == 0
    assert (await say_to("status"))[1][-1]["next"] == "apply"
    code, lines, _ = await say_to("apply", "--send-recovery")
    assert (code, lines[-1]["logs"]) == (0, len(expected.logs))
    assert sorted(gate.mails) == sorted(expected.resets)
    monkeypatch.setenv("PRO_ENGINE_CANARIES", f"user.9@example.org:{PASSWORD}")
    code, lines, _ = await say_to("verify")
    assert (code, lines[-1]["green"], lines[-1]["canaries"][0]["signed_in"]) == (0, True, True)
    assert (await say_to("cleanup", "--yes"))[0] == 0
    assert (await say_to("status"))[1][-1]["stage"] == "the old file is cleaned up"
    code, lines, _ = await say_to("rollback", "--yes")
    assert (code, lines[-1]["complete"]) == (0, True)
    assert target.users() == {}


async def test_people_are_told_the_same_in_tables(say_to: Say, work: Work, target: Target) -> None:
    make_legacy(work.legacy, 30, 100)
    for action, options, code, told in (
        ("audit", (), 3, "--rule 'duplicate-email=newest|oldest|skip'"),
        ("audit", RULINGS, 0, "Nothing needs a ruling"),
        ("backup", (), 0, "sha256"),
        ("plan", RULINGS, 0, "to be created"),
        ("apply", (), 0, "recovery.csv"),
        ("status", (), 0, "verify"),
        ("verify", (), 0, "Green"),
        ("cleanup", ("--yes",), 0, "The backup stays"),
    ):
        ended, _, printed = await say_to(action, *options, as_json=False)
        assert (ended, told in printed) == (code, True), printed
    target.db.execute("update auth.users set last_sign_in_at = now() where email = 'user.5@example.org'")
    ended, _, printed = await say_to("rollback", "--yes", as_json=False)
    assert (ended, "1 users stay: she has signed in since" in printed) == (4, True)


async def test_progress_comes_as_lines_with_rate_and_time_left(say_to: Say, work: Work) -> None:
    make_legacy(work.legacy, 30, 100)
    await say_to("backup")
    await say_to("plan", *RULINGS)
    _, lines, _ = await say_to("apply")
    progress = [line for line in lines if line["event"] == "progress"]
    assert {line["what"] for line in progress} == {"users", "logs"}
    assert all(line["done"] <= line["total"] and {"per_second", "seconds_left"} <= line.keys() for line in progress)
    assert (progress[-1]["done"], lines[-1]["event"]) == (100, "result")


async def test_a_project_that_is_away_is_told_as_something_that_passes(
    say_to: Say, work: Work, gate: AdminGate
) -> None:
    make_legacy(work.legacy, 5, 5)
    await say_to("backup")
    gate.faults = [Fault("refuse", times=10**6)]
    code, _, printed = await say_to("plan", "--patience", "0.01", *RULINGS)
    assert (code, "run the same command again" in printed) == (75, True)


async def test_what_the_project_refuses_is_told_by_the_exit_code(say_to: Say, work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 20)
    await say_to("backup")
    await say_to("plan", *RULINGS)
    refusal = Fault("refuse", "/admin/users", 400, method="POST", body={"error_code": "validation_failed"})
    gate.faults = [refusal]
    assert (await say_to("apply"))[0] == 4
    assert (await say_to("verify"))[0] == 5
    assert (await say_to("verify", "--accept-refused"))[0] == 0


async def test_the_key_is_never_printed_and_never_an_argument(say_to: Say, work: Work, gate: AdminGate) -> None:
    make_legacy(work.legacy, 5, 20)
    printed = [
        (await say_to(action, *options))[2] for action, options in (("backup", ()), ("plan", RULINGS), ("apply", ()))
    ]
    assert gate.lite.secret_key not in "".join(printed)
    with pytest.raises(SystemExit):
        build_parser().parse_args(["migrate", "plan", "x.db", "--key", "sb_secret_x"])


async def test_without_a_project_the_audit_works_and_the_plan_says_what_it_needs(say: Say, work: Work) -> None:
    make_legacy(work.legacy, 5, 20)
    assert (await say("audit", *RULINGS))[0] == 0
    assert (await say("backup"))[0] == 0
    with pytest.raises(WrongSettings, match="SUPABASE_URL"):
        await say("plan", *RULINGS)


@pytest.mark.parametrize("action", ["rollback", "cleanup"])
async def test_what_removes_something_wants_a_yes(say_to: Say, work: Work, action: str) -> None:
    make_legacy(work.legacy, 5, 20)
    await say_to("backup")
    with pytest.raises(WrongSettings, match="--yes"):
        await say_to(action)


async def test_a_second_run_is_refused(say: Say, work: Work) -> None:
    make_legacy(work.legacy, 5, 20)
    with held(work):
        held_by_another = [sys.executable, "-m", "daemon.cli", "migrate", "backup", str(work.legacy)]
        done = await asyncio.to_thread(subprocess.run, held_by_another, capture_output=True, text=True, check=False)
    assert (done.returncode, "another run" in done.stderr) == (1, True)


async def test_a_folder_that_cannot_be_written_is_told(say: Say, work: Work) -> None:
    make_legacy(work.legacy, 5, 20)
    work.folder.write_text("no folder")
    code, lines, printed = await say("backup")
    assert (code, lines[-1]["event"], lines[-1]["code"]) == (1, "error", "migration_refused")
    assert "cannot be written" in printed


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 1)])
async def test_on_a_terminal_what_removes_something_asks(
    say_to: Say, work: Work, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    make_legacy(work.legacy, 5, 20)
    for action, options in (("backup", ()), ("plan", RULINGS), ("apply", ()), ("verify", ())):
        assert (await say_to(action, *options))[0] == 0
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    assert (await say_to("cleanup"))[0] == code


async def test_an_audit_needs_no_secret_key_though_the_project_is_named(
    say: Say, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://abc.supabase.co")
    make_legacy(work.legacy, 5, 20)
    assert (await say("audit", *RULINGS))[0] == 0


async def test_the_status_of_nothing_says_how_to_begin(say: Say, work: Work) -> None:
    code, _, printed = await say("status")
    assert (code, "first: pro-engine migrate backup" in printed) == (1, True)


@pytest.mark.parametrize("options", [["--batch", "0"], ["--patience", "-1"], ["--patience", "inf"], ["--at-once", "x"]])
def test_a_tempo_that_is_none_is_told(options: list[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["migrate", "apply", "x.db", *options])


def test_other_commands_start_without_what_a_migration_needs() -> None:
    says = (
        "import sys; from daemon.cli.parser import build_parser; build_parser(); "
        "print(sorted({'aiohttp', 'sqlite3', 'rich', 'tomllib'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
