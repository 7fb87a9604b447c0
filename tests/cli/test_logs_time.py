from __future__ import annotations

import argparse
import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.logs_time import count, since

NOW = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", datetime(2026, 3, 4, 14, 28, 30, tzinfo=UTC)),
        ("10m", datetime(2026, 3, 4, 14, 20, tzinfo=UTC)),
        ("10 min ago", datetime(2026, 3, 4, 14, 20, tzinfo=UTC)),
        ("1.5 Hours", datetime(2026, 3, 4, 13, 0, tzinfo=UTC)),
        ("2d", datetime(2026, 3, 2, 14, 30, tzinfo=UTC)),
        ("1 week ago", datetime(2026, 2, 25, 14, 30, tzinfo=UTC)),
        ("14:30", NOW),
        ("9:05", datetime(2026, 3, 4, 9, 5, tzinfo=UTC)),
        ("9:05:06", datetime(2026, 3, 4, 9, 5, 6, tzinfo=UTC)),
        ("23:59:58", datetime(2026, 3, 3, 23, 59, 58, tzinfo=UTC)),
        ("2026-01-31 10:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T10:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_people_say_it(text: str, moment: datetime) -> None:
    assert since(text, NOW) == moment.timestamp()


def test_without_a_zone_it_is_this_machines() -> None:
    assert since("2026-01-31 10:00", NOW) == datetime(2026, 1, 31, 10).astimezone().timestamp()


@pytest.mark.parametrize("text", ["", "10", "m", "5 months", "25:00", "14:30pm", "yesterday", "-1h", "9" * 400 + "d"])
def test_what_is_no_moment_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time; such are 10m"):
        since(text, NOW)


@given(st.text())
def test_any_text_at_all_is_a_moment_or_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert isinstance(since(text), float)


@pytest.mark.parametrize("text", ["-1", "1.5", "", "ten", "٣"])
def test_a_number_of_lines_is_a_whole_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no number of lines"):
        count(text)
    assert count("0") == 0
