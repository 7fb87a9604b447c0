"""An address that a program was given, and the tokens for it."""

from __future__ import annotations

import asyncio

import pytest

from daemon.client import Client
from daemon.errors import BadRequest, InvalidToken
from tests.api.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("url", ["127.0.0.1:3007", "ftp://x", "http://", ""])
async def test_what_is_no_address_is_refused_by_name(url: str) -> None:
    with pytest.raises(BadRequest, match="http://"):
        Client(url, "token")


class Tokens:
    """Gives one token after the other, and stays with the last."""

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


async def test_a_refused_token_is_asked_for_anew_once_for_all_who_need_it(service: Service) -> None:
    job = await service.submit()
    tokens = Tokens("old", service.token)
    async with Client(f"http://127.0.0.1:{service.port}", tokens) as client:
        found = await asyncio.gather(*(client.job(job["id"]) for _ in range(8)))
        assert {one.id for one in found} == {job["id"]}
        assert tokens.asked == 2
        async for event in client.follow(job["id"]):
            assert event.kind == "done"
        assert tokens.asked == 2


async def test_a_socket_that_is_not_let_in_asks_for_the_token_anew(service: Service) -> None:
    job = await service.submit()
    async with Client(f"http://127.0.0.1:{service.port}", Tokens("old", service.token)) as client:
        assert [event.kind async for event in client.follow(job["id"])] == ["done"]


@pytest.mark.parametrize("token", ["wrong", lambda: "wrong", Tokens(*(str(n) for n in range(100)))])
async def test_who_has_no_right_token_is_told(service: Service, token: str | Tokens) -> None:
    async with Client(f"http://127.0.0.1:{service.port}", token) as client:
        with pytest.raises(InvalidToken):
            await client.job("x")
        with pytest.raises(InvalidToken):
            await client.submit(b"x")
        with pytest.raises(InvalidToken):
            await anext(client.follow("*"))
    assert not isinstance(token, Tokens) or token.asked <= 7
