from __future__ import annotations

import pytest
from aiohttp import web

from daemon.migrate.destination import Destination
from daemon.migrate.http import opened_http
from daemon.migrate.patience import LOST, Answer


async def asked(answer: web.Response | None) -> Answer:
    """What is made of an answer; None for a connection that breaks."""

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.headers["apikey"], request.headers["Authorization"]))
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPBadGateway
        return answer

    seen: list[tuple[str, str]] = []
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with opened_http(Destination(f"http://127.0.0.1:{runner.addresses[0][1]}", "a key")) as http:
            told = await http.ask("POST", "/somewhere", {"a": 1})
    finally:
        await runner.cleanup()
    assert set(seen) == {("a key", "Bearer a key")}
    return told


async def test_status_and_json_come_as_they_are() -> None:
    told = await asked(web.json_response({"code": "23505", "message": "taken"}, status=409))
    assert (told.status, told.code, told.why, told.is_good, told.is_passing) == (
        409,
        "23505",
        "409 23505 taken",
        False,
        False,
    )


async def test_what_is_no_json_is_an_answer_too() -> None:
    told = await asked(web.Response(status=502, text="<html>bad gateway</html>"))
    assert (told.status, told.body, told.is_passing) == (502, None, True)


async def test_an_answer_that_never_comes_is_lost_and_may_be_asked_again() -> None:
    told = await asked(None)
    assert (told.status, told.is_passing, told.why) == (LOST, True, "no answer")


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)])
async def test_when_to_ask_again_comes_as_seconds_or_as_a_date(said: str, seconds: float | None) -> None:
    assert (await asked(web.Response(status=429, headers={"Retry-After": said}))).retry_after == seconds


async def test_a_key_is_not_carried_to_where_a_redirect_leads() -> None:
    told = await asked(web.Response(status=302, headers={"Location": "http://elsewhere.invalid/"}))
    assert (told.status, told.is_good) == (302, False)


async def test_the_count_of_a_list_comes_with_its_pages() -> None:
    assert (await asked(web.json_response([], headers={"X-Total-Count": "12"}))).total == 12
