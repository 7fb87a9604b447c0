"""A line of the log: one of ours, which is a JSON object with an event, or a foreign one, which is text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

ERRORS: Final = frozenset({"error", "critical"})


@dataclass(frozen=True)
class Line:
    """`text` is what was written; `at` is epoch seconds, and None where nobody has noted them."""

    text: str
    fields: Mapping[str, Any] | None = None  # of one of ours
    at: float | None = None
    is_stamped: bool = False  # `at` is what the line itself says
    sender: str | None = None  # whose foreign line it is, where that is not the service

    @property
    def is_error(self) -> bool:
        """Of the service, or of a job."""
        fields = self.fields or {}
        return fields.get("level") in ERRORS or (fields.get("event"), fields.get("outcome")) == ("job_over", "failed")


@dataclass(frozen=True)
class Wish:
    """Which lines are asked for. A foreign line is of no job, and nobody knows whether it is an error."""

    job: str | None = None  # its id, or how that begins
    errors: bool = False
    since: float | None = None  # epoch seconds

    def takes(self, line: Line) -> bool:
        if self.job is not None and not str((line.fields or {}).get("job", "")).startswith(self.job):
            return False
        if self.errors and not line.is_error:
            return False
        return not self.is_past(line)

    def is_past(self, line: Line) -> bool:
        """Whether a line is from before what is asked for, and so are those before it."""
        return self.since is not None and line.at is not None and line.at < self.since


def pick(newest_first: Iterable[Line], most: int | None, wish: Wish) -> list[Line]:
    """The last `most` lines that are wished for, or all, oldest first; no more is read than that takes."""
    found: list[Line] = []
    for line in newest_first:
        if len(found) == most or wish.is_past(line):
            break
        if wish.takes(line):
            found.append(line)
    return found[::-1]


def read_line(raw: bytes, at: float | None = None, sender: str | None = None) -> Line:
    """Any line at all; `at` is when it came, where whoever kept it knows that."""
    text = raw.decode(errors="backslashreplace")
    fields = _fields(text)
    if fields is None:
        return Line(text, at=at, sender=sender)
    own = _moment(fields.get("timestamp"))
    return Line(text, fields, at if own is None else own, is_stamped=own is not None)


def _fields(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_no_member_twice)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found.get("event"), str) else None


def _no_member_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What nobody of ours writes; as an object it would lose one of the two."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _moment(written: Any) -> float | None:
    """Epoch seconds of a time that can be shown."""
    try:
        moment = datetime.fromisoformat(written)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        datetime.fromtimestamp(at).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return at
