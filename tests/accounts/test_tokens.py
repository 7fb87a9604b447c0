"""The newest token of each user, for as long as it is good."""

from __future__ import annotations

import pytest

from daemon.accounts.tokens import MOST_USERS, Tokens
from tests.store.rows import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(clock)


def test_the_newest_counts_in_whatever_order_they_come(tokens: Tokens) -> None:
    tokens.note("ann", "new", 5000.0)
    tokens.note("ann", "old", 4000.0)
    assert tokens.of("ann") == "new"
    tokens.note("ann", "newer", 6000.0)
    assert tokens.of("ann") == "newer"
    assert tokens.of("bob") is None


def test_one_that_is_about_to_end_is_none(tokens: Tokens, clock: Clock) -> None:
    tokens.note("ann", "token", 1100.0)
    clock.now = 1090.0
    assert tokens.of("ann") == "token"
    clock.now = 1096.0
    assert tokens.of("ann") is None


def test_a_new_one_is_told_of_and_one_that_is_known_is_not(tokens: Tokens) -> None:
    heard: list[str] = []
    tokens.on_new = heard.append
    for token, expires in (("a", 5000.0), ("a", 5000.0), ("b", 4000.0), ("c", 6000.0)):
        tokens.note("ann", token, expires)
    assert heard == ["ann", "ann"]


def test_no_more_are_kept_than_may_be_and_none_is_shown(tokens: Tokens) -> None:
    for number in range(MOST_USERS + 5):
        tokens.note(str(number), f"secret-{number}", 5000.0)
    assert tokens.of("0") is None
    assert tokens.of(str(MOST_USERS + 4)) is not None
    assert len(tokens._known) == MOST_USERS
    assert "secret" not in repr(tokens._known)
