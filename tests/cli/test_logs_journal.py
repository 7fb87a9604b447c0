"""Entries of the journal as lines, against a stand-in for journalctl; tests/system asks the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.logs_journal import Journal, Unit, line_of
from daemon.cli.logs_line import Wish
from daemon.errors import ServiceRefused

AT = 1_767_225_600  # 2026-01-01T00:00:00Z
SYSTEMS = Unit("pro-engine.service", of_user=False)
ALL = Wish()
HINT = "Hint: You are currently not seeing messages from other users and the system.\n"
FAKE = """#!{python}
import json, sys
with open({asked!r}, "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
sys.stderr.write({complaint!r})
entries = json.load(open({entries!r}))
if "--reverse" in sys.argv:
    entries.reverse()
if after := [word for word in sys.argv if word.startswith("--after-cursor=")]:
    entries = [entry for entry in entries if entry["__CURSOR"] > after[0].partition("=")[2]]
if any(word.startswith("--since") for word in sys.argv) and {nothing_since!r}:
    entries = []
if not entries:
    print("-- No entries --")
for entry in entries:
    print(json.dumps(entry), flush=True)
sys.exit({status})
"""


def entry(number: int, message: Any, **fields: Any) -> dict[str, Any]:
    at = str((AT + number) * 1_000_000)
    return {"__CURSOR": f"c{number}", "__REALTIME_TIMESTAMP": at, "MESSAGE": message} | fields


class FakeJournalctl:
    """A command of that name that shows entries it was given, and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = folder / "asked"

    def has(self, *entries: dict[str, Any], complaint: str = "", status: int = 0, nothing_since: bool = False) -> None:
        (self._folder / "entries").write_text(json.dumps(entries))
        words = {"asked": str(self._asked), "entries": str(self._folder / "entries"), "complaint": complaint}
        text = FAKE.format(python=sys.executable, status=status, nothing_since=nothing_since, **words)
        (self._folder / "journalctl").write_text(text)
        (self._folder / "journalctl").chmod(0o755)

    @property
    def asked(self) -> list[list[str]]:
        return [json.loads(line) for line in self._asked.read_text().splitlines()]


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeJournalctl:
    monkeypatch.setenv("PATH", str(tmp_path))
    return FakeJournalctl(tmp_path)


def of(unit: Unit = SYSTEMS) -> Journal:
    return Journal(unit, "do this")


def ours(event: str, **fields: Any) -> str:
    return json.dumps({"event": event} | fields)


def texts(journal: Journal, most: int | None = None, wish: Wish = ALL) -> list[str]:
    return [line.text for line in journal.newest(most, wish)]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (ours("serving"), ours("serving")),
        ("a warning", "a warning"),
        (list(b"not \xff text"), "not \\xff text"),
        (["one", "two"], '["one", "two"]'),
        (None, "null"),
        ("\ud800", "\\xed\\xa0\\x80"),
    ],
)
def test_whatever_an_entry_says_is_a_line_with_its_time(message: Any, text: str) -> None:
    line = line_of(json.loads(json.dumps(entry(7, message))))
    assert (line.text, line.at) == (text, AT + 7)


def test_systemds_own_words_are_told_apart_from_the_services() -> None:
    assert line_of(entry(1, "Started it.", SYSLOG_IDENTIFIER="systemd")).sender == "systemd"
    assert line_of(entry(1, "a warning", SYSLOG_IDENTIFIER="pro-engine")).sender is None


def test_the_last_lines_that_match_are_shown_in_their_order(journalctl: FakeJournalctl) -> None:
    journalctl.has(*(entry(n, ours(f"e{n}", level="error" if n % 2 else "info")) for n in range(9)))
    assert [json.loads(text)["event"] for text in texts(of(), 2, Wish(errors=True))] == ["e5", "e7"]
    assert len(texts(of())) == 9
    assert texts(of(), 0) == []


def test_it_is_asked_for_the_unit_and_for_what_is_new_enough(journalctl: FakeJournalctl) -> None:
    journalctl.has(*(entry(n, f"{n}") for n in range(4)))
    assert texts(of(Unit("x.service", of_user=True)), wish=Wish(since=AT + 2.5)) == ["3"]
    (words,) = journalctl.asked
    assert words == ["--user-unit=x.service", "--output=json", "--all", "--no-pager", "--reverse", f"--since=@{AT + 2}"]


def test_following_begins_after_the_newest_entry_that_was_seen(journalctl: FakeJournalctl) -> None:
    journalctl.has(entry(1, "one"), entry(2, "two"))
    journal = of()
    assert texts(journal, 1) == ["two"]
    journalctl.has(entry(1, "one"), entry(2, "two"), entry(3, "three"))
    assert [line.text for line in journal.follow()] == ["three"]
    assert journalctl.asked[-1][-3:] == ["--follow", "--no-tail", "--after-cursor=c2"]


def test_following_a_journal_that_had_nothing_shows_all_that_comes(journalctl: FakeJournalctl) -> None:
    journalctl.has()
    journal = of()
    assert texts(journal) == []
    journalctl.has(entry(1, "one"))
    assert [line.text for line in journal.follow()] == ["one"]


@pytest.mark.parametrize("complaint", [HINT, "No journal files were opened due to insufficient permissions.\n"])
def test_a_journal_that_is_closed_to_the_user_is_said_so(journalctl: FakeJournalctl, complaint: str) -> None:
    journalctl.has(complaint=complaint, status=1)
    for wish in (Wish(), Wish(since=AT)):
        with pytest.raises(ServiceRefused, match=r"does not show you this service's log; do this") as refused:
            texts(of(), wish=wish)
        assert refused.value.exit_code == os.EX_NOPERM


def test_who_sees_the_services_entries_is_not_troubled_with_the_hint(journalctl: FakeJournalctl) -> None:
    """Without a right to the whole journal it comes with every look."""
    journalctl.has(entry(1, "one"), complaint=HINT, nothing_since=True)
    assert texts(of()) == ["one"]
    assert texts(of(), wish=Wish(since=AT + 5)) == []


def test_another_failure_is_told_in_journalctls_words(journalctl: FakeJournalctl) -> None:
    journalctl.has(complaint="Failed to open the journal: no space\n", status=1)
    with pytest.raises(ServiceRefused, match="journalctl does not answer: Failed to open the journal: no space"):
        texts(of())


def test_without_journalctl_it_says_so(journalctl: FakeJournalctl) -> None:
    with pytest.raises(ServiceRefused, match="journalctl is not installed"):
        texts(of())


def test_no_command_is_left_behind(journalctl: FakeJournalctl, spawned: Callable[[], list[Any]]) -> None:
    journalctl.has(*(entry(n, "x" * 1000) for n in range(1000)))
    journal = of()
    assert len(texts(journal, 1)) == 1
    following = journal.follow()
    next(following, None)
    del following
    assert [command.returncode is None for command in spawned()] == [False, False]


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    made: list[Any] = []
    popen = subprocess.Popen

    def keep(*words: Any, **options: Any) -> Any:
        made.append(popen(*words, **options))
        return made[-1]

    monkeypatch.setattr(subprocess, "Popen", keep)
    return lambda: made
