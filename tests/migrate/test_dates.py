from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.migrate.dates import LATEST, as_iso, from_iso, read_moment

MOMENT = 1_714_566_896_000_000  # 2024-05-01 12:34:56 UTC
AT = datetime(2024, 5, 1, 12, 34, 56, tzinfo=UTC)
moments = st.datetimes(
    datetime(1974, 1, 1),  # noqa: DTZ001, what the strategy wants
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(
    "written",
    [
        "2024-05-01T12:34:56Z",
        "2024-05-01T12:34:56+00:00",
        "2024-05-01 12:34:56",
        "2024-05-01 14:34:56+02",
        "2024-05-01T12:34:56.000000",
        " 2024-05-01 12:34:56 ",
        1714566896,
        1714566896.0,
        "1714566896",
        1714566896000,
        "1714566896000",
    ],
)
def test_the_forms_of_older_apps_are_all_the_same_moment(written: Any) -> None:
    assert read_moment(written, UTC) == MOMENT


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "yesterday", "2024-13-01", "01/02/2024", "20240131", 20240131, 0, -5, 10**15, float("nan")),
        *(float("inf"), "0001-01-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", b"2024-05-01", "12"),
        "1969-12-31 23:59:59",
    ],
)
def test_what_cannot_be_told_is_no_date(written: Any) -> None:
    assert read_moment(written, UTC) is None


def test_a_time_without_a_zone_is_of_the_zone_that_was_said() -> None:
    assert read_moment("2024-05-01 14:34:56", ZoneInfo("Europe/Berlin")) == MOMENT
    assert read_moment("2024-01-01 13:00:00", ZoneInfo("Europe/Berlin")) == from_iso("2024-01-01T12:00:00Z")
    assert read_moment("2024-05-01T12:34:56Z", ZoneInfo("Europe/Berlin")) == MOMENT
    assert read_moment(1714566896, ZoneInfo("Europe/Berlin")) == MOMENT


def test_a_day_alone_is_its_beginning() -> None:
    assert read_moment("2024-05-01", UTC) == from_iso("2024-05-01T00:00:00+00:00")


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_no_microsecond_is_lost_in_any_zone(at: datetime, minutes: int) -> None:
    shifted = at.astimezone(timezone(timedelta(minutes=minutes)))
    expected = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert read_moment(shifted.isoformat(), UTC) == expected
    assert from_iso(as_iso(expected)) == expected
    assert read_moment(at.replace(tzinfo=None).isoformat(sep=" "), UTC) == expected


@given(moments)
def test_numbers_and_texts_of_one_moment_agree(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_moment(milliseconds, UTC) == read_moment(str(milliseconds), UTC) == read_moment(at.isoformat(), UTC)
    assert read_moment(milliseconds // 1000, UTC) == read_moment(at.replace(microsecond=0).isoformat(), UTC)


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.binary()))
def test_whatever_stands_there_is_a_moment_within_bounds_or_none(value: Any) -> None:
    found = read_moment(value, UTC)
    assert found is None or 0 <= found <= LATEST


@pytest.mark.parametrize("told", ["2024-05-01 21:34:56+09", "2024-05-01T12:34:56+00:00", "2024-05-01T12:34:56.0Z"])
def test_what_the_project_answers_is_read_in_whichever_zone_it_shows(told: str) -> None:
    assert from_iso(told) == MOMENT
