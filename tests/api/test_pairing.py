"""Pairing over real sockets: who asks, who is let in, what for, and until when."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from daemon.assembly import running_parts
from daemon.jobs.job import Job
from tests.api.conftest import JSON, PATIENCE, Service, png, running, said, serving, stopped

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE, OTHER = "http://localhost:3002", "http://localhost:5173"


@pytest.fixture(autouse=True)
async def nobody_asks(service: Service) -> None:
    """What a test before asked, or denied, does not count against the next."""
    service.parts.pairings.requests._requests.clear()


async def ask(service: Service, origin: str | None = PAGE, **body: Any) -> tuple[int, JSON]:
    headers = {"Origin": origin} if origin is not None else {}
    async with (
        service.stranger() as page,
        page.post("/api/pairings", json={"name": "Pro Upscaler"} | body, headers=headers) as response,
    ):
        return response.status, await response.json()


async def claim(service: Service, asked: JSON, origin: str | None = PAGE, wait: int = 0) -> tuple[int, JSON]:
    headers = ({"Origin": origin} if origin else {}) | ({"Prefer": f"wait={wait}"} if wait else {})
    body = {"secret": asked["secret"]}
    async with (
        service.stranger() as page,
        page.post(f"/api/pairings/{asked['id']}/claim", json=body, headers=headers) as response,
    ):
        return response.status, await response.json()


async def answer(service: Service, asked: JSON, verb: str, **body: Any) -> tuple[int, JSON]:
    return await service.json("POST", f"/api/pairings/{asked['id']}/{verb}", json=body)


@contextlib.asynccontextmanager
async def paired(service: Service, origin: str = PAGE) -> AsyncIterator[Service]:
    """The service as a page of that origin sees it."""
    _, asked = await ask(service, origin)
    assert (await answer(service, asked, "approve"))[0] == 200
    status, given = await claim(service, asked, origin)
    assert status == 200
    async with as_page(service, given["token"], origin) as page:
        yield page


@contextlib.asynccontextmanager
async def as_page(service: Service, token: str, origin: str | None) -> AsyncIterator[Service]:
    headers = {"Authorization": f"Bearer {token}"} | ({"Origin": origin} if origin else {})
    async with service.stranger(headers=headers) as session:
        yield dataclasses.replace(service, session=session)


def token_of(page: Service) -> str:
    return page.session.headers["Authorization"].removeprefix("Bearer ")


async def test_a_page_asks_the_user_approves_and_the_page_gets_its_token_once(service: Service) -> None:
    status, asked = await ask(service)
    assert status == 202
    assert set(asked) == {"id", "code", "secret", "expires_at", "poll_seconds"}
    assert await claim(service, asked) == (
        202,
        {"state": "pending", "expires_at": asked["expires_at"], "poll_seconds": 2.0},
    )
    _, listed = await service.json("GET", "/api/pairings")
    (pending,) = listed["pending"]
    assert (pending["origin"], pending["name"], pending["code"]) == (PAGE, "Pro Upscaler", asked["code"])
    assert asked["secret"] not in str(listed)
    for _ in range(2):
        status, approved = await answer(service, asked, "approve", code=asked["code"])
        assert (status, approved["state"]) == (200, "approved")
    status, given = await claim(service, asked)
    assert (status, given["origin"], given["expires_at"]) == (200, PAGE, None)
    status, replay = await claim(service, asked)
    assert (status, replay["code"]) == (410, "pairing_expired")
    status, again = await answer(service, asked, "approve")
    assert (status, again["state"]) == (200, "granted")
    async with as_page(service, given["token"], PAGE) as page:
        assert (await page.json("GET", "/api/jobs"))[0] == 200


async def test_the_answer_to_a_claim_waits_for_the_user(service: Service) -> None:
    for verb, status in (("approve", 200), ("deny", 403)):
        _, asked = await ask(service)
        waiting = asyncio.create_task(claim(service, asked, wait=60))
        while not service.parts.waits:
            await asyncio.sleep(0)
        await answer(service, asked, verb)
        async with asyncio.timeout(PATIENCE):
            assert (await waiting)[0] == status


async def test_a_daemon_that_takes_leave_holds_no_claim(service: Service) -> None:
    _, asked = await ask(service)
    service.parts.closing.set()
    try:
        async with asyncio.timeout(PATIENCE):
            assert (await claim(service, asked, wait=60))[0] == 202
    finally:
        service.parts.closing.clear()


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "", "http://localhost:3002/", "own"])
async def test_only_a_page_of_a_listed_origin_may_ask_or_claim(service: Service, origin: str | None) -> None:
    _, asked = await ask(service)
    await answer(service, asked, "approve")
    page = f"http://127.0.0.1:{service.port}" if origin == "own" else origin
    for status, body in (await ask(service, page), await claim(service, asked, page)):
        assert (status, body["code"]) == (403, "origin_not_allowed")
    assert (await claim(service, asked))[0] == 200


async def test_a_stolen_secret_is_of_no_use_to_another_page_nor_the_page_without_it(service: Service) -> None:
    _, asked = await ask(service)
    await answer(service, asked, "approve")
    for thief in (claim(service, asked, OTHER), claim(service, asked | {"secret": "0" * 64})):
        status, body = await thief
        assert (status, body["code"]) == (403, "invalid_token")
    assert (await claim(service, asked))[0] == 200


async def test_a_token_without_its_origin_or_with_another_is_refused_everywhere(service: Service) -> None:
    async with paired(service) as page:
        token = token_of(page)
    for origin in (None, OTHER, f"http://127.0.0.1:{service.port}"):
        async with as_page(service, token, origin) as thief:
            status, body = await thief.json("GET", "/api/jobs")
            assert (status, body["code"]) == (403, "invalid_token")
            async with service.stranger() as stranger, stranger.ws_connect("/ws", origin=origin) as socket:
                await socket.send_json({"type": "auth", "token": token})
                assert (await said(socket))["code"] == "invalid_token"
                await socket.receive()
                assert socket.close_code == 4401


async def test_a_denied_page_gets_nothing_and_a_second_click_does_no_harm(service: Service) -> None:
    _, asked = await ask(service)
    for _ in range(2):
        status, denied = await answer(service, asked, "deny")
        assert (status, denied["state"]) == (200, "denied")
    status, body = await claim(service, asked)
    assert (status, body["code"]) == (403, "pairing_denied")
    status, body = await answer(service, asked, "approve")
    assert (status, body["code"]) == (403, "pairing_denied")


async def test_who_denies_a_page_that_was_faster_takes_its_token_away(service: Service) -> None:
    _, asked = await ask(service)
    await answer(service, asked, "approve")
    _, given = await claim(service, asked)
    status, denied = await answer(service, asked, "deny")
    assert (status, denied["state"]) == (200, "revoked")
    async with as_page(service, given["token"], PAGE) as page:
        assert (await page.json("GET", "/api/jobs"))[0] == 403


async def test_the_request_with_another_code_is_not_approved(service: Service) -> None:
    _, asked = await ask(service)
    status, body = await answer(service, asked, "approve", code="AAA-AAA")
    assert (status, body["code"]) == (409, "wrong_pairing_code")
    assert (await claim(service, asked))[0] == 202


async def test_a_page_that_asks_too_often_is_told_when_to_come_back(service: Service) -> None:
    for _ in range(3):
        assert (await ask(service))[0] == 202
    async with service.stranger() as page, page.post("/api/pairings", headers={"Origin": PAGE}) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 300
        assert (await response.json())["code"] == "too_many_pairings"
    assert (await ask(service, OTHER))[0] == 202


async def test_where_pairing_is_off_no_page_may_ask(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.parts.pairings, "is_open", False)
    status, body = await ask(service)
    assert (status, body["code"]) == (403, "pairing_off")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/pairings"),
        ("POST", "/api/pairings/x/approve"),
        ("POST", "/api/pairings/x/deny"),
        ("DELETE", "/api/pairings/x"),
        ("POST", "/api/login-codes"),
    ],
)
async def test_a_page_administers_nothing(service: Service, method: str, path: str) -> None:
    async with paired(service) as page:
        status, body = await page.json(method, path)
        assert (status, body["code"]) == (403, "not_permitted")
    async with service.stranger(headers={"Origin": PAGE}) as stranger, stranger.request(method, path) as response:
        assert response.status == 401


@pytest.mark.parametrize(("method", "tail"), [("POST", "/approve"), ("POST", "/deny"), ("DELETE", "")])
async def test_what_nobody_asked_for_is_not_found(service: Service, method: str, tail: str) -> None:
    status, body = await service.json(method, f"/api/pairings/unknown{tail}")
    assert (status, body["code"]) == (404, "not_found")


async def test_jobs_of_a_page_and_of_the_machine_are_invisible_to_each_other(service: Service) -> None:
    async with paired(service) as page, paired(service, OTHER) as other:
        jobs = [(one, await one.submit()) for one in (page, other, service)]
        for viewer, own in jobs:
            _, listed = await viewer.json("GET", "/api/jobs?limit=200")
            seen = {job["id"] for job in listed["jobs"]}
            assert own["id"] in seen
            for owner, job in jobs:
                if owner is not viewer:
                    assert job["id"] not in seen
                    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result")):
                        assert (await viewer.json(method, f"/api/jobs/{job['id']}{path}"))[0] == 404


async def revoke_all(service: Service) -> None:
    for pairing in service.parts.pairings.granted():
        assert (await service.json("DELETE", f"/api/pairings/{pairing.id}"))[0] == 200


async def test_a_page_fetches_its_result_by_a_ticket_until_its_access_is_gone(service: Service) -> None:
    await revoke_all(service)
    async with paired(service) as page, service.stranger() as image_tag:
        url = (await page.submit())["result_url"]
        async with image_tag.get(url) as response:
            assert response.status == 200
            assert response.content_type == "image/png"
        await revoke_all(service)
        async with image_tag.get(url) as response:
            assert (response.status, (await response.json())["code"]) == (403, "invalid_token")


async def test_revoking_closes_the_pages_sockets_and_cancels_its_jobs_and_nobody_elses(service: Service) -> None:
    await revoke_all(service)
    async with paired(service) as page, paired(service, OTHER) as other:
        (pairing,) = [one.id for one in service.parts.pairings.granted() if one.origin == PAGE]
        sockets = [await subscribed(one) for one in (page, other, service)]
        closing = asyncio.create_task(close_code(sockets[0]))
        with stopped(service.worker_pid()):  # so that one runs and two wait, however fast the machine
            jobs = [await begin(one) for one in (page, page, other)]
            for _ in range(2):
                status, revoked = await service.json("DELETE", f"/api/pairings/{pairing}")
                assert (status, revoked["state"], revoked["origin"]) == (200, "revoked", PAGE)
        assert await closing == 4401
        assert (await page.json("GET", "/api/jobs"))[1]["code"] == "invalid_token"
        for job, owner, state in zip(jobs, (PAGE, PAGE, OTHER), ("cancelled", "cancelled", "done"), strict=True):
            assert (await over(service, job, owner)).state == state
        for socket in sockets[1:]:
            assert not socket.closed
            await socket.close()


async def test_of_two_browsers_of_one_origin_the_other_one_keeps_its_access_and_the_jobs_go_on(
    service: Service,
) -> None:
    await revoke_all(service)
    async with paired(service) as one, paired(service) as other:
        job = await begin(one)
        sockets = [await subscribed(page) for page in (one, other)]
        closing = asyncio.create_task(close_code(sockets[0]))
        first, _ = service.parts.pairings.granted()
        await service.json("DELETE", f"/api/pairings/{first.id}")
        assert (await one.json("GET", f"/api/jobs/{job}"))[0] == 403
        assert (await other.json("GET", f"/api/jobs/{job}"))[0] == 200
        assert (await over(service, job, PAGE)).state == "done"
        assert await closing == 4401
        assert not sockets[1].closed
        await sockets[1].close()


async def test_a_socket_that_authenticates_anew_belongs_to_its_newest_pairing(service: Service) -> None:
    await revoke_all(service)
    async with paired(service) as one, paired(service) as other:
        socket = await subscribed(one)
        await socket.send_json({"type": "auth", "token": token_of(other)})
        assert (await said(socket))["type"] == "authenticated"
        first, second = service.parts.pairings.granted()
        await service.json("DELETE", f"/api/pairings/{first.id}")
        await socket.send_json({"type": "subscribe"})
        assert (await said(socket))["type"] == "snapshot"
        closing = asyncio.create_task(close_code(socket))
        await service.json("DELETE", f"/api/pairings/{second.id}")
        assert await closing == 4401


async def subscribed(page: Service) -> aiohttp.ClientWebSocketResponse:
    socket = await page.session.ws_connect("/ws")
    await socket.send_json({"type": "subscribe", "jobs": []})
    assert (await said(socket))["type"] == "snapshot"
    return socket


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    while not socket.closed:
        await socket.receive(PATIENCE)
    return socket.close_code


async def begin(page: Service) -> str:
    async with page.session.post("/api/process", params={"scale_factor": "4x"}, data=png(300, 300)) as response:
        assert response.status == 202
        return str((await response.json())["id"])


async def over(service: Service, job: str, owner: str) -> Job:
    with service.parts.hub.subscription(owner) as subscriber:
        subscriber.listen_to(frozenset({job}))
        async with asyncio.timeout(PATIENCE):
            while not (found := await service.parts.ledger.get(job, owner)).is_over:
                await subscriber.next()
    return found


async def test_the_next_daemon_lets_the_same_pages_in_and_knows_when_they_came(
    tmp_path: Path, kernel_cache: Path
) -> None:
    async with running(tmp_path, kernel_cache) as service, paired(service) as page:
        assert (await page.json("GET", "/api/jobs"))[0] == 200
        token, (_, before) = token_of(page), await service.json("GET", "/api/pairings")
        _, asked = await ask(service)
    async with running_parts(service.values) as parts, serving(parts, service.values) as following:
        _, after = await following.json("GET", "/api/pairings")
        assert after == before
        assert after["granted"][0]["last_used_at"] is not None
        async with as_page(following, token, PAGE) as page:
            assert (await page.json("GET", "/api/jobs"))[0] == 200
        status, body = await claim(following, asked)
        assert (status, body["code"]) == (410, "pairing_expired")


async def test_a_preflight_allows_what_a_page_needs_to_pair(service: Service) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,prefer",
    }
    async with service.stranger() as page, page.options("/api/pairings", headers=headers) as response:
        assert response.status == 204
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"content-type", "prefer", "authorization"} <= set(allowed.split(", "))


async def test_answers_with_a_secret_in_them_are_not_to_be_stored(service: Service) -> None:
    async with service.stranger(headers={"Origin": PAGE}) as page:
        async with page.post("/api/pairings") as response:
            assert response.headers["Cache-Control"] == "no-store"
            asked = await response.json()
        await answer(service, asked, "approve")
        async with page.post(f"/api/pairings/{asked['id']}/claim", json={"secret": asked["secret"]}) as response:
            assert response.headers["Cache-Control"] == "no-store"
