"""What an answer means for whoever has to go on."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.accounts.answers import Meaning, code_of, meaning


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, [], Meaning.TAKEN),
        (201, None, Meaning.TAKEN),
        (404, {"code": "PGRST202"}, Meaning.MISSING),
        (404, {"code": "PGRST205"}, Meaning.MISSING),
        (400, {"code": "PGRST204"}, Meaning.MISSING),
        (404, None, Meaning.MISSING),
        (404, {"code": "42883"}, Meaning.MISSING),
        (401, {"code": "PGRST301"}, Meaning.REFUSED),
        (401, {"code": "PGRST303"}, Meaning.REFUSED),
        (403, {"code": "42501"}, Meaning.REFUSED),
        (401, None, Meaning.REFUSED),
        (400, {"code": "22P02"}, Meaning.DATA),
        (409, {"code": "23503"}, Meaning.DATA),
        (400, {"code": "P0001"}, Meaning.DATA),
        (408, None, Meaning.AGAIN),
        (429, {"message": "slow down"}, Meaning.AGAIN),
        (500, {"code": "SUP"}, Meaning.AGAIN),
        (503, "upstream connect error", Meaning.AGAIN),
        (522, None, Meaning.AGAIN),
    ],
)
def test_an_answer_says_whether_to_go_on_to_wait_or_to_give_up(status: int, body: Any, expected: Meaning) -> None:
    assert meaning(status, body) is expected


@pytest.mark.parametrize("body", [None, [], "x", {"code": None}, 5])
def test_an_answer_without_a_code_has_none(body: Any) -> None:
    assert code_of(body) == ""
