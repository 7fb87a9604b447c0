"""Moments, as older apps wrote them, and as the project does: microseconds since 1970 in UTC between the two."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NUMBER: Final = re.compile(r"\d{9,14}(\.\d+)?")
# Numbers that can be told: as seconds or as milliseconds, both from 1973 on. Smaller ones may be anything, such as
# 20240131, and larger ones would be microseconds, which nobody is known to have written.
_SECONDS: Final = (1e8, 1e11)
_MILLISECONDS: Final = (1e11, 1e14)
EARLIEST: Final = 0
LATEST: Final = 7_258_118_400_000_000  # 2200: what lies beyond was no moment of anybody's work


def read_moment(value: Any, zone: tzinfo) -> int | None:
    """None for what is no date: it needs a ruling. A time that names no zone is one of `zone`."""
    if isinstance(value, str):
        value = value.strip()
        if _NUMBER.fullmatch(value):
            value = float(value) if "." in value else int(value)
    if isinstance(value, (int, float)):
        return _of_number(value)
    return _of_text(value, zone) if isinstance(value, str) else None


def _of_number(value: float) -> int | None:
    if _SECONDS[0] <= value < _SECONDS[1]:
        return _within(round(value * 1_000_000))
    if _MILLISECONDS[0] <= value < _MILLISECONDS[1]:
        return _within(round(value * 1000))
    return None


def _of_text(text: str, zone: tzinfo) -> int | None:
    if not text[:4].isdigit() or text[4:5] != "-":  # also what `fromisoformat` takes without signs, as 20240131
        return None
    try:
        found = datetime.fromisoformat(text)
        return _within(((found if found.tzinfo else found.replace(tzinfo=zone)) - _EPOCH) // _MICROSECOND)
    except (ValueError, OverflowError):
        return None


def _within(moment: int) -> int | None:
    return moment if EARLIEST <= moment <= LATEST else None


def as_iso(moment: int) -> str:
    return (_EPOCH + moment * _MICROSECOND).isoformat()


def from_iso(text: str) -> int:
    """Of what the project writes, whichever zone it shows. Raises ValueError for what is no moment."""
    found = datetime.fromisoformat(text)
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
