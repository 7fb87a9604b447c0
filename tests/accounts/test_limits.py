"""A job is counted where it is asked about, and a refusal says how to go on."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.accounts.billing import billed_fields
from daemon.accounts.limits import Wanted, charge_id, seconds_until
from daemon.errors import AuthUnavailable, InvalidToken, NotPermitted, UsageLimitExceeded
from tests.accounts.conftest import Accounts


def wanted() -> Wanted:
    return Wanted(uuid.uuid4().hex, "4x", 3072)


async def test_a_job_is_counted_with_what_it_is_charged_by(accounts: Accounts) -> None:
    user, job = accounts.sign_in(), wanted()
    assert await accounts.limits.reserve(user, job) == "reserved"
    assert accounts.fake.counting.states == {(user, charge_id(job.job)): "reserved"}
    assert billed_fields(job.scale, job.source_pixels) == {
        "processing_type": "highres",
        "scale_factor": "4x",
        "image_pixels": 3072,
    }
    last = accounts.profiles.last(user)
    assert last is not None
    assert last.day is not None
    assert (last.tier, last.day.used, last.day.limit) == ("free", 1, 10), "the answer brings the figures with it"


@pytest.mark.parametrize("can_upgrade", [True, False])
async def test_one_too_many_is_refused_with_the_way_out(accounts: Accounts, can_upgrade: bool) -> None:
    user = accounts.sign_in()
    accounts.fake.counting.limit, accounts.fake.counting.can_upgrade = 1, can_upgrade
    await accounts.limits.reserve(user, wanted())
    with pytest.raises(UsageLimitExceeded, match="all 1 jobs of this day") as refused:
        await accounts.limits.reserve(user, wanted())
    details = refused.value.details
    assert details["upgrade_required"] is can_upgrade
    assert details["current_tier"] == "free"
    assert details["resets_at"] == "2099-01-01"
    assert details["retry_after"] == seconds_until("2099-01-01", accounts.clock.now)


async def test_a_scale_that_the_tier_has_not_is_named_and_no_day_brings_it(accounts: Accounts) -> None:
    user = accounts.sign_in()
    refusal = {"allowed": False, "reason": "limit", "current_tier": "free", "usage": accounts.fake.counting.usage(user)}
    accounts.fake.counting.answer_with = (200, refusal)
    with pytest.raises(UsageLimitExceeded, match=r"the tier free does not allow this job \(4x\)") as refused:
        await accounts.limits.reserve(user, wanted())
    assert "retry_after" not in refused.value.details


async def test_without_a_profile_nothing_is_allowed(accounts: Accounts) -> None:
    accounts.fake.counting.no_profile = True
    with pytest.raises(NotPermitted, match="profile"):
        await accounts.limits.reserve(accounts.sign_in(), wanted())


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_project_that_cannot_say_is_no_no(accounts: Accounts, status: int) -> None:
    accounts.fake.counting.answer_with = (status, {})
    with pytest.raises(AuthUnavailable):
        await accounts.limits.reserve(accounts.sign_in(), wanted())


async def test_a_project_that_answers_nonsense_has_allowed_nothing(accounts: Accounts) -> None:
    answers: list[Any] = [None, [], "yes", True]
    for nonsense in answers:
        accounts.fake.counting.answer_with = (200, nonsense)
        with pytest.raises(AuthUnavailable):
            await accounts.limits.reserve(accounts.sign_in(), wanted())
    accounts.fake.counting.answer_with = (200, {"allowed": "yes", "current_tier": "free"})
    with pytest.raises(UsageLimitExceeded):
        await accounts.limits.reserve(accounts.sign_in(), wanted())


async def test_a_token_that_the_project_does_not_take_is_told_so(accounts: Accounts) -> None:
    accounts.fake.counting.answer_with = (401, {"code": "PGRST301"})
    with pytest.raises(InvalidToken):
        await accounts.limits.reserve(accounts.sign_in(), wanted())


async def test_a_token_that_is_about_to_end_is_not_sent(accounts: Accounts) -> None:
    user = accounts.sign_in(60)
    accounts.pass_time(58)
    with pytest.raises(InvalidToken, match="fresh"):
        await accounts.limits.reserve(user, wanted())
    assert accounts.fake.asked == {}


async def test_without_our_migrations_the_owners_function_is_asked_and_the_limits_are_advice(
    accounts: Accounts,
) -> None:
    counting, user = accounts.fake.counting, accounts.sign_in()
    counting.functions = {"enforce_subscription_limits"}
    assert await accounts.limits.reserve(user, wanted()) == "later"
    assert accounts.limits.are_advisory
    counting.owner_says = False
    with pytest.raises(UsageLimitExceeded) as refused:
        await accounts.limits.reserve(user, wanted())
    assert refused.value.details == {"upgrade_required": True, "current_tier": "free"}
    counting.functions.add("reserve_usage")
    assert await accounts.limits.reserve(user, wanted()) == "reserved"
    assert not accounts.limits.are_advisory


async def test_a_project_that_cannot_decide_is_not_set_up(accounts: Accounts) -> None:
    accounts.fake.counting.functions.clear()
    with pytest.raises(AuthUnavailable, match="neither our migrations"):
        await accounts.limits.reserve(accounts.sign_in(), wanted())


async def test_what_would_be_refused_is_told_before_anything_is_sent(accounts: Accounts) -> None:
    user = accounts.sign_in()
    await accounts.limits.require_within(user, "2x")
    accounts.fake.counting.limit = 0
    accounts.pass_time(11)
    with pytest.raises(UsageLimitExceeded):
        await accounts.limits.require_within(user, "2x")
    assert accounts.fake.counting.states == {}


def test_a_day_of_utc_is_so_many_seconds_away() -> None:
    now = datetime(2026, 11, 27, 23, 59, 50, tzinfo=UTC).timestamp()
    assert seconds_until("2026-11-28", now) == 11
    assert seconds_until("2026-11-01", now) == 1, "a day that has begun"
    assert seconds_until("soon", now) > 0
