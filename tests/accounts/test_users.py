"""A token is its user's for as long as it says, by the project's own keys, and nothing else is one."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from daemon.accounts.users import looks_like_a_users
from daemon.errors import AuthUnavailable, InvalidToken
from tests.accounts.conftest import Accounts
from tests.accounts.fake_project import SECRET

USER = str(uuid.uuid4())


def unpadded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def plain(part: dict[str, Any]) -> str:
    return unpadded(json.dumps(part).encode())


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_users_token_is_hers(accounts: Accounts, algorithm: str) -> None:
    accounts.fake.rotate(algorithm)
    token = accounts.fake.token(sub=USER)
    caller = await accounts.users.caller(token)
    assert (caller.owner, caller.is_user, caller.is_admin) == (USER, True, False)
    assert caller.expires == jwt.decode(token, options={"verify_signature": False})["exp"]
    assert accounts.tokens.of(USER) == token


NOW = int(time.time())
WRONG: list[dict[str, Any]] = [
    *({name: None} for name in ("iss", "sub", "aud", "role", "session_id", "iat", "exp")),
    {"iss": "https://another.supabase.co/auth/v1"},
    {"aud": "anon"},
    {"role": "service_role"},
    {"role": "anon"},
    {"is_anonymous": True},
    {"sub": "1 or 1=1"},
    {"sub": 5},
    {"session_id": "x"},
    {"exp": NOW - 40},
    {"nbf": NOW + 600},
    {"iat": NOW + 600},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
async def test_one_claim_that_is_wrong_is_enough(accounts: Accounts, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await accounts.users.caller(accounts.fake.token(**wrong))


@pytest.mark.parametrize(("claim", "off"), [("exp", -20), ("iat", 20), ("nbf", 20)])
async def test_clocks_may_differ_by_half_a_minute(accounts: Accounts, claim: str, off: int) -> None:
    claims: dict[str, Any] = {claim: int(time.time()) + off}
    token = accounts.fake.token(sub=USER, **claims)
    assert (await accounts.users.caller(token)).owner == USER


async def test_forgeries_are_refused(accounts: Accounts) -> None:
    fake = accounts.fake
    mine = ec.generate_private_key(ec.SECP256R1())
    claims, kid = fake.claims(), fake.current
    public = jwt.algorithms.ECAlgorithm.to_jwk(fake.keys[kid].public_key()).encode()
    by_public = f"{plain({'alg': 'HS256', 'kid': kid})}.{plain(claims)}"
    by_public += "." + unpadded(hmac.digest(public, by_public.encode(), "sha256"))
    for token in (
        jwt.encode(claims, mine, "ES256", headers={"kid": kid}),  # another's signature
        f"{plain({'alg': 'none', 'kid': kid})}.{plain(claims)}.",
        by_public,  # a public key as a secret
        jwt.encode(claims, SECRET, "HS256"),
        jwt.encode(claims, mine, "ES256"),  # no key named
        jwt.encode(claims, mine, "ES256", headers={"kid": ""}),
        fake.token()[:-4] + "AAAA",
        "a.b.c",
        "..",
        "é.é.é",
    ):
        with pytest.raises(InvalidToken):
            await accounts.users.caller(token)


async def test_a_key_of_one_kind_is_not_taken_for_another(accounts: Accounts) -> None:
    rsa_key = accounts.fake.rotate("RS256")
    ec_key = accounts.fake.rotate("ES256")
    crossed = accounts.fake.token(ec_key, head={"kid": rsa_key})
    with pytest.raises(InvalidToken, match="method"):
        await accounts.users.caller(crossed)


async def test_what_has_no_keys_is_asked_once_a_minute_for_each_token(accounts: Accounts) -> None:
    """A project of before signing keys: its secret is not ours to have."""
    fake = accounts.fake
    fake.keys.clear()
    await asyncio.gather(*(_refused(accounts, fake.claims()) for _ in range(2)))
    token = fake.legacy_token(sub=USER)
    found = await asyncio.gather(*(accounts.users.caller(token) for _ in range(20)))
    assert {caller.owner for caller in found} == {USER}
    assert accounts.tokens.of(USER) == token
    assert fake.asked["/auth/v1/user"] == 1
    del fake.users[token]  # she signs out
    accounts.pass_time(59)
    assert (await accounts.users.caller(token)).owner == USER
    accounts.pass_time(2)
    with pytest.raises(InvalidToken, match="any more"):
        await accounts.users.caller(token)


async def _refused(accounts: Accounts, claims: dict[str, Any]) -> None:
    """Also what makes its keys known."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(InvalidToken):
        await accounts.users.caller(jwt.encode(claims, stranger, "ES256", headers={"kid": "x"}))


async def test_where_there_are_keys_a_secrets_token_asks_nobody(accounts: Accounts) -> None:
    await accounts.users.caller(accounts.fake.token())
    with pytest.raises(InvalidToken, match="method"):
        await accounts.users.caller(accounts.fake.legacy_token())
    assert "/auth/v1/user" not in accounts.fake.asked


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_project_that_cannot_say_is_no_no(accounts: Accounts, status: int) -> None:
    accounts.fake.keys.clear()
    await _refused(accounts, accounts.fake.claims())
    token = accounts.fake.legacy_token()
    accounts.fake.fails = status
    with pytest.raises(AuthUnavailable):
        await accounts.users.caller(token)
    assert not accounts.users._asked._locks, "what nobody can tell is not kept"
    accounts.fake.fails = None
    await accounts.users.caller(token)


def test_the_machines_own_token_does_not_look_like_a_users() -> None:
    assert looks_like_a_users("a.b.c")
    for token in ("", "abc", "a.b", "a.b.c.d", "-_09az"):
        assert not looks_like_a_users(token)
