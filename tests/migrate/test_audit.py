"""The audit finds what cannot be moved as it is, and says how to rule on it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from daemon.errors import WrongSettings
from daemon.migrate.audit import AuditReport, audit
from daemon.migrate.choices import Choices
from daemon.migrate.defaults import TIERS
from daemon.migrate.progress import Unwatched
from daemon.migrate.rulings import read_rulings
from daemon.migrate.work import Work, held, work_of
from tests.migrate.legacy_files import BCRYPT, RULES, make_legacy

DATE = "2024-05-01 12:00:00"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return work_of(tmp_path / "old.db")


def fill(work: Work, users: list[tuple[object, ...]], logs: list[tuple[object, ...]]) -> None:
    """Users as id, email, hash, tier, date; logs as user, type, size, time, date."""
    database = sqlite3.connect(work.legacy)
    database.execute("CREATE TABLE users (id, email, password_hash, subscription_tier, created_at)")
    database.execute("CREATE TABLE usage_logs (user_id, processing_type, image_size, processing_time, created_at)")
    database.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", users)
    database.executemany("INSERT INTO usage_logs VALUES (?, ?, ?, ?, ?)", logs)
    database.commit()
    database.close()


def audited(work: Work, *rules: str) -> AuditReport:
    with held(work):
        return audit(work, Choices(rulings=read_rulings(None, rules)), TIERS, Unwatched())


ANN = (1, "ann@example.org", BCRYPT, "free", DATE)
LOG = (1, "standard", 100, 5, DATE)


def test_a_file_in_order_needs_no_ruling(work: Work) -> None:
    fill(work, [ANN], [LOG])
    report = audited(work)
    assert (report.unruled, report.findings) == ([], [])
    assert (report.counts.users_to_move, report.counts.logs_to_move) == (1, 1)


@pytest.mark.parametrize(
    ("user", "key", "ruling"),
    [
        ((2, "ANN@example.org", BCRYPT, "free", DATE), "duplicate-email", "newest"),
        ((2, "ann", BCRYPT, "free", DATE), "invalid-email", "skip"),
        ((2, None, BCRYPT, "free", DATE), "invalid-email", "skip"),
        ((None, "bob@example.org", BCRYPT, "free", DATE), "bad-user-id", "skip"),
        (("1", "bob@example.org", BCRYPT, "free", DATE), "bad-user-id", "skip"),
        ((2, "bob@example.org", BCRYPT, "gold", DATE), "unknown-tier:gold", "pro"),
        ((2, "bob@example.org", "???", "free", DATE), "unknown-hash", "reset"),
        ((2, "bob@example.org", BCRYPT, "free", "long ago"), "bad-user-date", "epoch"),
    ],
)
def test_each_sort_of_user_that_cannot_be_moved_stops_it_until_it_is_ruled_on(
    work: Work, user: tuple[object, ...], key: str, ruling: str
) -> None:
    fill(work, [ANN, user], [])
    found = audited(work)
    assert [finding.key for finding in found.unruled] == [key]
    assert found.unruled[0].how.startswith(f"--rule '{key}=")
    assert audited(work, f"{key}={ruling}").unruled == []


@pytest.mark.parametrize(
    ("log", "key", "ruling"),
    [
        ((9, "standard", 100, 5, DATE), "orphans", "skip"),
        ((None, "standard", 100, 5, DATE), "orphans", "skip"),
        ((1, "turbo", 100, 5, DATE), "unknown-type:turbo", "8x"),
        ((1, None, 100, 5, DATE), "unknown-type:(none)", "2x"),
        ((1, "standard", "huge", 5, DATE), "bad-number", "blank"),
        ((1, "standard", 100, -5, DATE), "bad-number", "blank"),
        ((1, "standard", 100, 5, "20240501"), "bad-date", "skip"),
        ((1, "standard", 100, 1.25, DATE), "time-unit", "seconds"),
    ],
)
def test_each_sort_of_log_that_cannot_be_moved_stops_it_until_it_is_ruled_on(
    work: Work, log: tuple[object, ...], key: str, ruling: str
) -> None:
    fill(work, [ANN], [LOG, log])
    found = audited(work)
    assert [(finding.key, finding.count) for finding in found.unruled] == [(key, 2 if key == "no" else 1)]
    assert audited(work, f"{key}={ruling}").unruled == []


def test_known_hashes_that_cannot_be_carried_need_no_ruling_and_are_counted(work: Work) -> None:
    fill(work, [ANN, (2, "bob@example.org", None, "free", DATE), (3, "eve@example.org", "a" * 32, "free", DATE)], [])
    report = audited(work)
    assert (report.unruled, report.counts.needing_reset) == ([], 2)
    assert report.counts.hashes == {"bcrypt": 1, "none": 1, "md5, bare": 1}


def test_of_a_large_and_nasty_file_everything_is_counted_and_the_usual_rulings_are_enough(work: Work) -> None:
    expected = make_legacy(work.legacy, 300, 2000)
    assert {finding.kind for finding in audited(work).unruled} == {
        rule.partition("=")[0].partition(":")[0] for rule in RULES
    }
    report = audited(work, *RULES)
    assert report.unruled == []
    assert (report.counts.users, report.counts.logs) == (300, 2000)
    assert report.counts.logs_to_move == len(expected.logs)
    assert report.counts.logs_to_move + sum(report.counts.logs_left_out.values()) == 2000
    assert report.counts.users_to_move + sum(report.counts.users_left_out.values()) == 300
    assert report.counts.needing_reset == len(expected.resets)


def test_it_says_what_it_took_for_granted(work: Work) -> None:
    fill(work, [ANN], [LOG])
    said = " ".join(audited(work).assumed)
    assert "times of UTC (--timezone)" in said
    assert "known by their numbers" in said  # that table has no ids


def test_its_reports_hold_no_address_and_are_safe_to_open(work: Work) -> None:
    fill(work, [ANN, ("<script>x</script>", "nobody", BCRYPT, "<b>gold</b>", DATE)], [])
    audited(work)
    told, page = work.report("audit").read_text(), work.report("audit", "html").read_text()
    assert json.loads(told)["ready"] is False
    assert "ann@example.org" not in told + page
    assert "<script>" not in page
    assert "<b>gold" not in page
    assert "&lt;b&gt;gold" in page
    assert "http" not in page.replace("http-equiv", "")
    assert work.report("audit").stat().st_mode & 0o077 == 0
    assert work.folder.stat().st_mode & 0o777 == 0o700


def test_a_tier_that_the_project_has_not_is_no_ruling(work: Work) -> None:
    fill(work, [ANN], [])
    with pytest.raises(WrongSettings, match="no tier 'gold'"):
        audited(work, "unknown-tier:silver=gold")


def test_a_zone_that_nobody_has_is_told(work: Work) -> None:
    fill(work, [ANN], [])
    with pytest.raises(WrongSettings, match="Europe/Berlin"), held(work):
        audit(work, Choices(zone="Middle/Earth"), TIERS, Unwatched())
