from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.migrate.numbers import BAD, has_fraction, read_milliseconds, read_pixels


@pytest.mark.parametrize(
    ("value", "pixels"),
    [(786432, 786432), ("786432", 786432), ("1024x768", 786432), (" 1024 X 768 ", 786432), (786432.0, 786432), (0, 0)],
)
def test_a_size_is_a_number_or_two_sides(value: Any, pixels: int) -> None:
    assert read_pixels(value) == pixels


@pytest.mark.parametrize("value", [None, "", "  "])
def test_nothing_is_nothing(value: Any) -> None:
    assert (read_pixels(value), read_milliseconds(value, "ms")) == (None, None)


@pytest.mark.parametrize(
    "value", ["huge", -1, "-5", "1024x", b"\x00", float("nan"), float("inf"), 2**63, "9" * 5000, "nan"]
)
def test_what_is_no_figure_is_bad(value: Any) -> None:
    assert (read_pixels(value), read_milliseconds(value, "ms")) == (BAD, BAD)


def test_a_time_is_counted_in_the_unit_that_was_ruled() -> None:
    assert [read_milliseconds(value, "seconds") for value in (1.2345, "0.5", 3)] == [1234, 500, 3000]
    assert [read_milliseconds(value, "ms") for value in (1200, "350", 17.0)] == [1200, 350, 17]
    assert read_milliseconds(1e308, "seconds") is BAD


def test_a_fraction_hints_at_seconds() -> None:
    assert [has_fraction(value) for value in (1.5, "0.25", 2.0, 7, "8", None, "soon")] == [True, True, *[False] * 5]


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.binary()))
def test_whatever_stands_there_fits_into_the_projects_column_or_is_told(value: Any) -> None:
    for found in (read_pixels(value), read_milliseconds(value, "ms"), read_milliseconds(value, "seconds")):
        assert found is None or found is BAD or 0 <= found < 2**63
