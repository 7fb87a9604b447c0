"""Who becomes an account, who part of one, and what an old row is in the project."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from daemon.migrate.choices import Choices
from daemon.migrate.defaults import TIERS
from daemon.migrate.findings import Findings
from daemon.migrate.forms import LeftOut, MovedLog, clean
from daemon.migrate.ids import legacy_key
from daemon.migrate.ledger import Ledger, scratch_ledger
from daemon.migrate.legacy import RawLog, opened_legacy
from daemon.migrate.progress import Unwatched
from daemon.migrate.rulings import read_rulings
from daemon.migrate.survey import Survey

PROJECT = "https://abc.supabase.co"
DATES = ("2024-01-01", "2024-01-03", "2024-01-02")


def surveyed(tmp_path: Path, users: list[tuple[Any, ...]], *rules: str) -> Ledger:
    database = sqlite3.connect(tmp_path / "old.db")
    database.execute("CREATE TABLE users (id, email, created_at)")
    database.executemany("INSERT INTO users VALUES (?, ?, ?)", users)
    database.commit()
    database.close()
    choices, ledger = Choices(rulings=read_rulings(None, rules)), scratch_ledger()
    findings = Findings(choices.rulings)
    with opened_legacy(tmp_path / "old.db") as legacy:
        survey = Survey(legacy, ledger, choices.forms(PROJECT, TIERS, findings), findings, "run")
        survey.users(Unwatched())
        survey.logs(Unwatched(), lambda _raw, _reason: None)
        survey.finish()
    return ledger


@pytest.mark.parametrize(
    ("ruling", "actions"),
    [
        ("newest", ["merge", "create", "merge"]),
        ("oldest", ["create", "merge", "merge"]),
        ("skip", ["leave", "leave", "leave"]),
    ],
)
def test_of_users_with_one_address_one_becomes_the_account_as_was_ruled(
    tmp_path: Path, ruling: str, actions: list[str]
) -> None:
    people = [(number, f"{name}@example.org", DATES[number]) for number, name in enumerate(("ann", "Ann", "ANN"))]
    ledger = surveyed(tmp_path, people, f"duplicate-email={ruling}")
    assert [row[0] for row in ledger.db.execute("SELECT action FROM user ORDER BY seq")] == actions


def test_of_two_from_one_moment_the_later_row_is_the_newer(tmp_path: Path) -> None:
    people = [(1, "ann@example.org", DATES[0]), (2, "ANN@example.org", DATES[0])]
    ledger = surveyed(tmp_path, people, "duplicate-email=newest")
    assert [row[0] for row in ledger.db.execute("SELECT action FROM user ORDER BY seq")] == ["merge", "create"]


def test_users_with_one_id_are_all_left_out_for_nobody_can_tell_whose_the_logs_are(tmp_path: Path) -> None:
    people = [(1, "ann@example.org", DATES[0]), ("1", "bob@example.org", DATES[0]), (2, "eve@example.org", DATES[0])]
    ledger = surveyed(tmp_path, people, "bad-user-id=skip")
    rows = ledger.db.execute("SELECT action, reason FROM user ORDER BY seq").fetchall()
    assert rows == [("leave", "bad-user-id"), ("leave", "bad-user-id"), ("create", None)]


def moved(value: dict[str, Any], zone: str = "UTC", *rules: str) -> MovedLog | LeftOut:
    raw = RawLog(3, "3", 1, "ultra", 5, 7, "2024-07-01 12:00:00")._replace(**value)
    choices = Choices(zone=zone, rulings=read_rulings(None, rules))
    return choices.forms(PROJECT, TIERS).log(raw, bytes(16))


def created(log: MovedLog | LeftOut) -> Any:
    assert isinstance(log, MovedLog)
    return log.fields("run")["created_at"]


def test_a_time_without_a_zone_is_of_the_zone_that_was_chosen() -> None:
    assert created(moved({})) == "2024-07-01T12:00:00+00:00"
    assert created(moved({}, "America/New_York")) == "2024-07-01T16:00:00+00:00"


def test_times_in_seconds_are_thousands_of_milliseconds_once_that_is_ruled() -> None:
    assert moved({"processing_time": 1.5}) == LeftOut("unruled:time-unit")
    log = moved({"processing_time": 1.5}, "UTC", "time-unit=seconds")
    assert isinstance(log, MovedLog)
    assert log.processing_time_ms == 1500
    log = moved({"processing_time": 2}, "UTC", "time-unit=seconds")
    assert isinstance(log, MovedLog)
    assert log.processing_time_ms == 2000


def test_rows_that_differ_in_anything_that_is_moved_have_other_digests() -> None:
    changes: list[dict[str, Any]] = [
        *({}, {"key": "4"}, {"processing_type": "highres"}, {"image_size": 6}, {"image_size": None}),
        *({"processing_time": 8}, {"created_at": "2024-07-01 12:00:01"}),
    ]
    logs = [moved(change) for change in changes]
    assert len({log.digest for log in logs if isinstance(log, MovedLog)}) == len(changes)


def test_a_text_that_postgresql_cannot_hold_is_made_one_that_it_can() -> None:
    assert [clean(value) for value in ("a\0b", "\udcffa", None, b"x\xff", 5)] == ["ab", "\ufffda", "", "x\ufffd", "5"]
    assert legacy_key("\udcff") == "\udcff"
