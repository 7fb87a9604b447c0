"""Sizes and times, as older apps wrote them. `BAD` is what is neither a figure nor nothing."""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Any, Final, Literal

_BY: Final = re.compile(r"(\d{1,7})\s*[x\u00d7*]\s*(\d{1,7})", re.IGNORECASE)
_LARGEST: Final = (1 << 63) - 1  # of PostgreSQL's bigint
TimeUnit = Literal["ms", "seconds"]


class Bad(Enum):
    BAD = "bad"


BAD: Final = Bad.BAD


def read_pixels(value: Any) -> int | Bad | None:
    """Of `image_size`: a number, or width and height as 1920x1080."""
    if isinstance(value, str) and (sides := _BY.fullmatch(value.strip())):
        return int(sides[1]) * int(sides[2])
    number = _number(value)
    return number if number is None or number is BAD else _whole(number)


def read_milliseconds(value: Any, unit: TimeUnit) -> int | Bad | None:
    number = _number(value)
    if number is None or number is BAD:
        return number
    return _whole(number * 1000 if unit == "seconds" else number)


def has_fraction(value: Any) -> bool:
    """Whether a time has one: nobody writes thousandths of milliseconds, so it is likely one in seconds."""
    number = _number(value)
    return isinstance(number, float) and not number.is_integer()


def _number(value: Any) -> int | float | Bad | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if re.search("[.eEn]", value) else int(value)
        except ValueError:
            return BAD
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return BAD
    return value


def _whole(number: float) -> int | Bad:
    if not math.isfinite(number):
        return BAD
    rounded = round(number)
    return rounded if 0 <= rounded <= _LARGEST else BAD
