"""What an answer of the project's Data API means to whoever has to go on: after PostgREST's table of errors."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

OK_FROM: Final = 200
OK_UNTIL: Final = 300
NO_SUCH_THING: Final = frozenset(
    {"PGRST202", "PGRST204", "PGRST205", "42883", "42P01"}
)  # a function, a column, a table
ITS_TROUBLE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Meaning(Enum):
    TAKEN = "taken"
    AGAIN = "again"  # it is the project's trouble, or the network's
    REFUSED = "refused"  # of a user whose token it does not take, or not for this
    MISSING = "missing"  # what was called is not there: our migrations are not
    DATA = "data"  # no repetition will change it


def meaning(status: int, body: Any) -> Meaning:
    """Of an answer."""
    if OK_FROM <= status < OK_UNTIL:
        return Meaning.TAKEN
    code = code_of(body)
    if code in NO_SUCH_THING or (status == HTTPStatus.NOT_FOUND and not code):
        return Meaning.MISSING
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Meaning.REFUSED
    return Meaning.AGAIN if status in ITS_TROUBLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR else Meaning.DATA


def code_of(body: Any) -> str:
    """PostgREST's own code, or an SQLSTATE; empty where there is none."""
    return str(body.get("code") or "") if isinstance(body, Mapping) else ""


def sentence_of(body: Any) -> str:
    return str(body.get("message") or "") if isinstance(body, Mapping) else ""
