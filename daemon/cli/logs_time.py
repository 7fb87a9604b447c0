"""Which lines are asked for, as people say it on a command line."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from datetime import time as clock
from typing import Final

AGO: Final = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:ours?)?|(d)(?:ays?)?|(w)(?:eeks?)?)(?:\s+ago)?"
)
TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def since(text: str, now: datetime | None = None) -> float:
    """Epoch seconds of a moment as people say it. A time of day that is still to come today was yesterday."""
    now = now or datetime.now().astimezone()
    said = text.strip()
    try:
        if found := AGO.fullmatch(said.casefold()):
            amount, *letters = found.groups()
            unit = next(UNITS[letter] for letter in letters if letter)
            return (now - timedelta(**{unit: float(amount)})).timestamp()
        if TIME_OF_DAY.fullmatch(said):
            time = clock.fromisoformat(said if said[1] != ":" else f"0{said}")
            at = datetime.combine(now.date(), time, now.tzinfo)
            return (at if at <= now else at - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(said).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; such are 10m, 2h, 14:30 and 2026-01-31 14:30") from None
