"""A log file, read from its end and followed. Nothing waits here: what was written is there when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.cli import logs_file
from daemon.cli.logs_file import LogFile
from daemon.cli.logs_line import Wish

ALL = Wish()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "service.log"
    path.touch()
    return path


@pytest.fixture
def log(path: Path) -> Iterator[LogFile]:
    with closing(LogFile(lambda: path)) as log:
        yield log


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def newest(log: LogFile, most: int | None = None, wish: Wish = ALL, *, whole: bool = False) -> list[str]:
    return [line.text for line in log.newest(most, wish, whole=whole)]


def since_then(log: LogFile) -> list[str]:
    return [line.text for line in log.since_then()]


def ours(number: int, **fields: object) -> str:
    stamp = f"2026-01-01T00:00:{number:02d}Z"
    return json.dumps({"event": f"e{number}", "timestamp": stamp} | fields)


@given(content=st.binary(max_size=200) | st.text("a\n", max_size=60).map(str.encode), most=st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("block", [1, 3, 1 << 16])
def test_the_last_lines_are_those_of_the_whole_file(path: Path, block: int, content: bytes, most: int) -> None:
    path.write_bytes(content)
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    shown = [line.decode(errors="backslashreplace") for line in lines]
    with pytest.MonkeyPatch.context() as patch, closing(LogFile(lambda: path)) as log:
        patch.setattr(logs_file, "BLOCK", block)
        assert newest(log) == shown
        assert newest(log, most) == (shown[-most:] if most else [])


@given(chunks=st.lists(st.binary(max_size=20) | st.text("a\n", max_size=9).map(str.encode), max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("block", [1, 3, 1 << 16])
def test_first_and_following_lines_together_are_the_file_however_it_was_written(
    path: Path, block: int, chunks: list[bytes]
) -> None:
    path.write_bytes(b"".join(chunks[:1]))
    with pytest.MonkeyPatch.context() as patch, closing(LogFile(lambda: path)) as log:
        patch.setattr(logs_file, "BLOCK", block)
        found = newest(log, whole=True)
        for chunk in chunks[1:]:
            with path.open("ab") as file:
                file.write(chunk)
            found += since_then(log)
    whole = b"".join(chunks).split(b"\n")[:-1]
    assert found == [line.decode(errors="backslashreplace") for line in whole]


def test_a_line_whose_end_is_not_written_is_shown_or_waited_for(path: Path, log: LogFile) -> None:
    write(path, "one\ntw")
    assert newest(log) == ["one", "tw"]
    assert newest(log, whole=True) == ["one"]
    assert since_then(log) == []
    write(path, "o\n")
    assert since_then(log) == ["two"]


def test_of_filtered_lines_the_last_that_match_are_counted(path: Path, log: LogFile) -> None:
    write(path, "\n".join(ours(n, level="error" if n % 3 == 0 else "info", job=f"j{n}") for n in range(9)) + "\n")
    assert [json.loads(text)["event"] for text in newest(log, 2, Wish(errors=True))] == ["e3", "e6"]
    assert [json.loads(text)["event"] for text in newest(log, 5, Wish(job="j7"))] == ["e7"]


def test_an_error_is_one_of_the_service_or_a_job_that_failed(path: Path, log: LogFile) -> None:
    lines = [
        ours(1, level="critical"),
        ours(2, level="warning", event="job_over", outcome="failed"),
        ours(3, level="info", event="job_over", outcome="done"),
        ours(4, level="warning"),
        "Traceback (most recent call last):",
    ]
    write(path, "\n".join(lines) + "\n")
    assert newest(log, wish=Wish(errors=True)) == lines[:2]


def test_since_a_moment_foreign_lines_go_with_those_around_them(path: Path, log: LogFile) -> None:
    lines = ["before all", ours(1), "after one", ours(2), "after two", ours(3)]
    write(path, "\n".join(lines) + "\n")
    moment = 1_767_225_602.0  # 2026-01-01T00:00:02Z
    assert newest(log, wish=Wish(since=moment)) == lines[2:]
    assert newest(log, wish=Wish(since=moment + 60)) == []
    assert newest(log, wish=Wish(since=moment - 60)) == lines


def test_after_a_truncation_it_goes_on_from_the_beginning(path: Path, log: LogFile) -> None:
    write(path, "one\ntwo, which is long\nbroken of")
    assert newest(log, whole=True) == ["one", "two, which is long"]
    assert since_then(log) == []
    path.write_text("three\n")
    assert since_then(log) == ["broken of", "three"]


def test_after_a_rotation_it_goes_on_with_the_successor_and_misses_nothing(path: Path, log: LogFile) -> None:
    write(path, "one\n")
    assert newest(log, whole=True) == ["one"]
    old = path.rename(path.with_suffix(".1"))
    assert since_then(log) == []
    write(old, "still to the old\n")
    write(path, "to the new\n")
    assert since_then(log) == ["still to the old", "to the new"]
    write(path, "again\n")
    assert since_then(log) == ["again"]


def test_a_successor_that_may_not_be_read_leaves_it_where_it_is(path: Path, log: LogFile) -> None:
    write(path, "one\n")
    newest(log, whole=True)
    old = path.rename(path.with_suffix(".1"))
    path.mkdir()
    write(old, "two\n")
    assert since_then(log) == ["two"]
