"""Keys are asked for seldom, however many tokens come, and outlive the project's bad times, but not for ever."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from daemon.accounts.signing_keys import AGAIN, FRESH, STALE
from daemon.errors import AuthUnavailable, InvalidToken
from tests.accounts.conftest import Accounts


async def test_many_at_once_ask_once(accounts: Accounts) -> None:
    await asyncio.gather(*(accounts.users.caller(accounts.fake.token()) for _ in range(50)))
    assert accounts.fake.key_questions == 1


async def test_forged_key_ids_do_not_hammer_the_project(accounts: Accounts) -> None:
    await accounts.users.caller(accounts.fake.token())
    for _ in range(20):
        with pytest.raises(InvalidToken):
            await accounts.keys.find(str(uuid.uuid4()))
    assert accounts.fake.key_questions == 1


async def test_a_new_key_is_taken_with_its_first_token(accounts: Accounts) -> None:
    await accounts.users.caller(accounts.fake.token())
    accounts.fake.rotate()
    accounts.pass_time(AGAIN)
    await accounts.users.caller(accounts.fake.token())
    assert accounts.fake.key_questions == 2


async def test_a_revoked_key_is_forgotten_with_the_next_renewal(accounts: Accounts) -> None:
    old = accounts.fake.current
    token = accounts.fake.token()
    await accounts.users.caller(token)
    accounts.fake.rotate()
    del accounts.fake.keys[old]
    renewing = asyncio.create_task(accounts.keys.keep())
    while accounts.fake.key_questions < 2:
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while True:
            try:
                await accounts.users.caller(token)
            except InvalidToken:
                break
            await asyncio.sleep(0)
    renewing.cancel()


@pytest.mark.parametrize("fails", [500, 404, 302])
async def test_while_the_project_is_away_known_keys_hold_for_half_a_day(accounts: Accounts, fails: int) -> None:
    token = accounts.fake.token(exp=2**31)
    await accounts.users.caller(token)
    accounts.fake.fails = fails
    accounts.pass_time(STALE - 1)
    await accounts.users.caller(token)
    assert not accounts.keys.reached
    accounts.pass_time(2)
    with pytest.raises(AuthUnavailable):
        await accounts.users.caller(token)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 5}', b'{"keys": [5]}'])
async def test_nonsense_is_no_answer_and_takes_no_key_away(accounts: Accounts, body: bytes) -> None:
    token = accounts.fake.token()
    await accounts.users.caller(token)
    accounts.fake.body = body
    accounts.pass_time(FRESH + AGAIN)
    with pytest.raises(AuthUnavailable):
        await accounts.keys.find("another")
    await accounts.users.caller(token)


async def test_a_key_that_cannot_be_used_is_passed_over(accounts: Accounts) -> None:
    good = accounts.fake.published()["keys"]
    odd = [{"kid": "x", "alg": "ES256", "use": "sig"}, {"kid": "y", "alg": "HS256", "k": "AAAA", "kty": "oct"}]
    accounts.fake.body = json.dumps({"keys": odd + good}).encode()
    await accounts.users.caller(accounts.fake.token())
    for kid in "xy":
        with pytest.raises(InvalidToken):
            await accounts.keys.find(kid)


async def test_a_start_without_the_project_goes_by_the_keys_in_the_file(accounts: Accounts) -> None:
    token = accounts.fake.token()
    await accounts.users.caller(token)
    accounts.fake.fails = 503
    accounts.pass_time(3600)
    accounts.restart()
    await accounts.users.caller(token)
    accounts.pass_time(STALE)
    accounts.restart()
    with pytest.raises(AuthUnavailable):
        await accounts.users.caller(token)


async def test_a_clock_that_was_set_back_makes_no_key_live_longer_than_one_of_now(accounts: Accounts) -> None:
    token = accounts.fake.token()
    await accounts.users.caller(token)
    accounts.clock.now -= 10 * STALE
    accounts.fake.fails = 503
    accounts.restart()
    await accounts.users.caller(token)
    accounts.pass_time(STALE + 1)
    with pytest.raises(AuthUnavailable):
        await accounts.users.caller(token)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"keys": [], "fetched_at": "x"})])
async def test_a_file_that_is_none_is_as_good_as_none(accounts: Accounts, content: str) -> None:
    accounts.file.write_text(content)
    accounts.restart()
    await accounts.users.caller(accounts.fake.token())


async def test_the_file_has_nothing_that_is_not_public(accounts: Accounts) -> None:
    await accounts.users.caller(accounts.fake.token())
    for key in json.loads(accounts.file.read_text())["keys"]:
        assert "d" not in key
