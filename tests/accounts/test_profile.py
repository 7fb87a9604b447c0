"""Figures of an account: asked once for all who wait, remembered for a moment, told where they change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from daemon.accounts.figures import AccountFigures
from daemon.errors import AuthUnavailable, InvalidToken
from tests.accounts.conftest import Accounts

PATH = "/rest/v1/rpc/my_usage"


async def test_one_question_serves_all_who_wait_and_for_ten_seconds(accounts: Accounts) -> None:
    user = accounts.sign_in()
    found = await asyncio.gather(*(accounts.profiles.current(user) for _ in range(20)))
    assert {figures.tier for figures in found} == {"free"}
    assert accounts.fake.asked[PATH] == 1
    accounts.pass_time(9)
    await accounts.profiles.current(user)
    assert accounts.fake.asked[PATH] == 1
    accounts.pass_time(2)
    await accounts.profiles.current(user)
    assert accounts.fake.asked[PATH] == 2


async def test_figures_are_told_of_when_they_change_and_not_when_they_are_the_same(accounts: Accounts) -> None:
    heard: list[tuple[str, AccountFigures]] = []
    accounts.profiles.on_change = lambda *change: heard.append(change)
    user = accounts.sign_in()
    for _ in range(3):
        await accounts.profiles.current(user)
        accounts.profiles.forget(user)
    assert [whose for whose, _ in heard] == [user]
    accounts.fake.counting.tier = "pro"
    await accounts.profiles.current(user)
    assert [figures.tier for _, figures in heard] == ["free", "pro"]


async def test_what_was_known_last_stays_when_it_is_forgotten_or_nobody_answers(accounts: Accounts) -> None:
    user = accounts.sign_in()
    assert accounts.profiles.last(user) is None
    figures = await accounts.profiles.current(user)
    accounts.profiles.forget(user)
    accounts.fake.fails = 503
    with pytest.raises(AuthUnavailable):
        await accounts.profiles.current(user)
    assert accounts.profiles.last(user) == figures


async def test_without_our_migrations_there_is_a_tier_and_no_figures(accounts: Accounts) -> None:
    accounts.fake.counting.functions.clear()
    figures = await accounts.profiles.current(accounts.sign_in())
    assert (figures.tier, figures.day, figures.month) == ("free", None, None)


async def test_a_user_without_a_profile_has_used_nothing(accounts: Accounts) -> None:
    accounts.fake.counting.answer_with = (200, None)
    figures = await accounts.profiles.current(accounts.sign_in())
    assert (figures.tier, figures.day) == (None, None)


async def test_nonsense_is_no_figures(accounts: Accounts) -> None:
    user = accounts.sign_in()
    answers: list[Any] = [[], {"current_tier": "free"}, {"current_tier": "free", "day": None, "month": None}, "x"]
    for nonsense in answers:
        accounts.fake.counting.answer_with = (200, nonsense)
        with pytest.raises(AuthUnavailable):
            await accounts.profiles.current(user)
        assert accounts.profiles.note(user, nonsense) is None


async def test_whose_token_the_project_does_not_take_is_told_so(accounts: Accounts) -> None:
    accounts.fake.counting.answer_with = (401, {})
    with pytest.raises(InvalidToken):
        await accounts.profiles.current(accounts.sign_in())
    with pytest.raises(InvalidToken, match="fresh"):
        await accounts.profiles.current("a user without a token")
