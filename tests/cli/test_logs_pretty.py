"""Any line in: no crash, nothing lost, nothing that steers the terminal."""

from __future__ import annotations

import json
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import log
from daemon.cli.logs_line import Wish, read_line
from daemon.cli.logs_pretty import INDENT, as_json, pretty

STAMP = "2026-11-26T20:51:22.123456Z"
LOCAL = datetime.fromisoformat(STAMP).astimezone().strftime("%Y-%m-%d %H:%M:%S.123")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SHOWN_OTHERWISE = {"event", "level", "timestamp", "exception"}


def show(**fields: Any) -> str:
    return pretty(read_line(json.dumps(fields).encode()))


def members(text: str) -> dict[str, Any]:
    """What was shown, read back: each name and value is plain, or JSON."""
    found = {}
    while text:
        name, text = one(text)
        assert text[0] == "="
        found[name], text = one(text[1:])
        text = text.removeprefix(" ")
    return found


def one(text: str) -> tuple[Any, str]:
    if text[0] in '"[{-0123456789tfnIN':
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            pass
        else:
            if text[end : end + 1] in {"", " ", "="}:
                return value, text[end:]
    end = min((at for sign in " =" if (at := text.find(sign)) >= 0), default=len(text))
    return text[:end], text[end:]


def test_a_line_of_ours_is_time_level_event_and_members() -> None:
    assert show(
        timestamp=STAMP, level="info", event="job_over", job="ab12", cached=False, wait_ms=1.5, device=None
    ) == (f"{LOCAL} info     job_over job=ab12 cached=false wait_ms=1.5 device=null")


def test_on_a_terminal_level_and_event_stand_out() -> None:
    line = read_line(json.dumps({"event": "worker_hung", "level": "error"}).encode())
    assert pretty(line, colours=True) == "\033[31merror   \033[0m \033[1mworker_hung\033[0m"


@given(st.dictionaries(TEXT, JSON), st.from_regex(r"[a-z_]{1,20}", fullmatch=True))
def test_every_member_can_be_read_back(rest: dict[str, Any], event: str) -> None:
    rest = {name: value for name, value in rest.items() if name not in SHOWN_OTHERWISE}
    shown = pretty(read_line(json.dumps({"event": event, "level": "info"} | rest).encode()))
    head = f"info     {event}"
    assert shown.startswith(head)
    assert members(shown.removeprefix(head).removeprefix(" ")) == rest
    assert shown.isprintable()


@given(st.binary())
def test_any_bytes_are_a_line(raw: bytes) -> None:
    line = read_line(raw)
    shown = pretty(line)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    as_json(line).encode()
    for wish in (Wish(job="a"), Wish(errors=True), Wish(since=1e9)):
        wish.takes(line)


@given(TEXT.filter(lambda text: "\n" not in text))
def test_a_foreign_line_is_shown_as_it_is(text: str) -> None:
    line = read_line(text.encode())
    if line.fields is None:
        assert json.loads(as_json(line)) == {"foreign": text}
        if text.isprintable():
            assert pretty(line) == text


@given(JSON, JSON, JSON)
def test_odd_times_levels_and_exceptions_are_members_like_others(timestamp: Any, level: Any, exception: Any) -> None:
    shown = show(event="e", timestamp=timestamp, level=level, exception=exception)
    for value in (timestamp, level):
        if isinstance(value, int | float):
            assert json.dumps(value) in shown


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "[]",
        "{}",
        '{"event": 1}',
        '{"event": "a", "event": "b"}',
        '{"event": "a"',
        "{" * 100_000,
        '{"event":' + "[" * 100_000,
        '{"event": "a", "n": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_not_to_the_letter_ours_is_foreign(text: str) -> None:
    line = read_line(text.encode())
    assert line.fields is None
    assert pretty(line) == text


def test_escapes_for_the_terminal_are_shown_and_not_sent() -> None:
    assert show(event="\x1b[2J", path="\x1b]0;x\x07 \u202e") == r'\u001b[2J path="\u001b]0;x\u0007 \u202e"'
    assert pretty(read_line(b"\x1b[31mred\tand \xff")) == "\\u001b[31mred\tand \\xff"


def test_a_text_that_looks_like_something_else_is_quoted() -> None:
    assert show(event="e", a="1", b="null", c="a=b", d="", e="a b", f='"') == (
        r'e a="1" b="null" c="a=b" d="" e="a b" f="\""'
    )


def test_the_time_of_a_journal_stands_in_where_a_line_has_none() -> None:
    at = datetime.fromisoformat(STAMP).timestamp()
    assert pretty(read_line(b"a warning", at)) == f"{LOCAL} a warning"
    assert pretty(read_line(b"Started Pro Engine.", at, "systemd")) == f"{LOCAL} systemd: Started Pro Engine."
    assert pretty(read_line(b'{"event": "e", "timestamp": "soon"}', at)) == f"{LOCAL} e timestamp=soon"


def test_a_traceback_of_the_daemon_is_shown_below_its_line() -> None:
    try:
        try:
            Path("/nowhere/at/all").stat()
        except OSError as error:
            error.add_note("a note")
            raise RuntimeError("broke") from error
    except RuntimeError as error:
        raised = log.TRACEBACKS((RuntimeError, error, error.__traceback__))
    head, *below = show(event="job_broke", exception=raised, error_id="x").splitlines()
    assert head == "job_broke error_id=x"
    assert all(text.startswith(INDENT) for text in below)
    text = "\n".join(line.removeprefix(INDENT) for line in below)
    assert f"{__file__}:" in text
    assert "in test_a_traceback_of_the_daemon_is_shown_below_its_line" in text
    assert text.index("RuntimeError: broke") < text.index("which was caused by") < text.index("FileNotFoundError: ")
    assert 'exc_notes=["a note"]' in text


def test_a_traceback_of_the_supervisor_is_shown_below_its_line() -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        text = traceback.format_exc()
    shown = show(event="supervisor_broke", exception=text)
    assert shown == "\n".join(["supervisor_broke", *(INDENT + line for line in text.splitlines())])
