"""Requests: whose errors are whose, what is asked again, and which token is shown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from daemon.client import Client, Patience
from daemon.errors import (
    Draining,
    NotFound,
    ProEngineError,
    ServiceUnreachable,
    UnexpectedAnswer,
)
from tests.api.conftest import Service
from tests.client.conftest import QUICK, Limit, broken_way, fake_service, one_after_the_other

pytestmark = pytest.mark.asyncio(loop_scope="session")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


Answer = Callable[[], web.Response]


def answers(*given: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that gives one answer after the other."""
    left = iter(given)

    async def handler(_request: web.Request) -> web.Response:
        return next(left)()

    return handler


def problem(status: int, code: str, **details: object) -> Answer:
    body = {"code": code, "message": f"so says {code}", "status": status} | details
    return lambda: web.json_response(body, status=status)


def fine(**body: object) -> Answer:
    return lambda: web.json_response(body)


async def test_an_address_that_has_never_answered_is_an_error_at_once() -> None:
    async with Client(f"http://127.0.0.1:{closed_port()}", "token", patience=Patience(away=1e9)) as client:
        async with asyncio.timeout(10):
            with pytest.raises(ServiceUnreachable):
                await client.job("x")


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Client("http://127.0.0.1:1", "token").health()


async def test_a_question_whose_answer_is_cut_is_asked_again(service: Service) -> None:
    job = await service.submit()
    async with (
        broken_way(service, one_after_the_other(*[Limit(size) for size in (1, 30, 300, 600)])) as way,
        Client(way.url, service.token, patience=QUICK) as client,
    ):
        assert (await client.job(job["id"])).state == "done"
        assert way.cuts == 4


async def test_a_service_that_stays_away_is_given_up(service: Service) -> None:
    async with (
        broken_way(service, lambda: Limit(1)) as way,
        Client(way.url, service.token, patience=Patience(away=0.05, first=0.01)) as client,
    ):
        with pytest.raises(ServiceUnreachable, match="does not answer"):
            await client.job("x")
        assert way.cuts > 1
        before = way.cuts
        with pytest.raises(ServiceUnreachable):
            await client.health()
        assert way.cuts <= before + 2, "how it is, is asked once; aiohttp asks again by itself on a kept connection"


async def test_503_is_asked_again_and_what_a_problem_says_is_kept() -> None:
    starting = problem(503, "daemon_unavailable", retry_after=0.001)
    route = web.get("/api/service-info", answers(starting, starting, fine(name="x")))
    async with fake_service(route) as client:
        assert await client.service_info() == {"name": "x"}
    final = problem(503, "draining", retry_after=60, error_id="abc")
    async with fake_service(web.get("/api/service-info", answers(final))) as client:
        with pytest.raises(Draining, match="so says") as caught:
            await client.service_info()
    assert caught.value.details == {"status": 503, "retry_after": 60, "error_id": "abc"}


async def test_a_proxy_that_cannot_get_through_is_a_service_that_is_away() -> None:
    gateway: Answer = lambda: web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
    route = web.get("/api/service-info", answers(gateway, fine()))
    async with fake_service(route) as client:
        assert await client.service_info() == {}


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>", "content_type": "text/html"},
        {"text": "[]", "content_type": "application/json"},
        {"text": '{"message": "no code"}', "status": 404, "content_type": "application/problem+json"},
        {"text": '{"code": [], "message": ""}', "status": 404, "content_type": "application/problem+json"},
        {"text": '{"code": "service_refused", "message": ""}', "status": 400, "content_type": "application/json"},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
    ],
)
async def test_what_speaks_another_language_is_an_unexpected_answer(answer: dict[str, object]) -> None:
    route = web.get("/api/service-info", answers(lambda: web.Response(**answer)))  # type: ignore[arg-type]
    async with fake_service(route) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.service_info()


async def test_members_that_clash_with_our_own_names_do_no_harm() -> None:
    odd = {"code": "not_found", "message": "gone", "self": 1, "title": "t", "status": "x", "retry_after": "x"}
    async with fake_service(web.get("/api/models", answers(lambda: web.json_response(odd, status=404)))) as client:
        with pytest.raises(NotFound, match="gone") as caught:
            await client.models()
    assert caught.value.details == {"status": 404, "retry_after": "x"}


async def test_an_unknown_code_is_kept() -> None:
    refused = problem(429, "a_later_code", upgrade_required=True)
    async with fake_service(web.get("/api/models", answers(refused))) as client:
        with pytest.raises(ProEngineError) as caught:
            await client.models()
    assert caught.value.details == {"status": 429, "code": "a_later_code", "upgrade_required": True}
