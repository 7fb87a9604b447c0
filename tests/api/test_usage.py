"""Users are charged: before the 202, once, with the way out where it is too much; and they see it as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.accounts.fake_project import KEY, FakeProject
from tests.api.conftest import PATIENCE, Service, png, running, said, stopped

ORIGIN = "http://localhost:3002"


@contextlib.asynccontextmanager
async def user_of(service: Service, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with service.stranger(headers={"Authorization": f"Bearer {token}"}) as session:
        yield session


async def process(
    session: aiohttp.ClientSession, picture: bytes | None = None, wait: int = 30, **params: str
) -> tuple[int, Any]:
    data, headers = io.BytesIO(picture or png()), {"Prefer": f"wait={wait}"} if wait else {}
    async with session.post("/api/process", data=data, params=params, headers=headers) as response:
        return response.status, await response.json()


async def usage(session: aiohttp.ClientSession) -> Any:
    async with session.get("/api/usage") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def usage_stream(service: Service) -> Any:
    return (await service.json("GET", "/health"))[1]["services"]["usage_stream"]


async def settled(fake: FakeProject, state: str, count: int) -> None:
    """Until so many charges are in that state: the stream tells of them by itself."""
    async with asyncio.timeout(PATIENCE):
        while fake.counting.charges(state).total() < count:
            await asyncio.sleep(0.005)


async def test_the_machines_own_token_makes_no_jobs_where_there_are_accounts(served: Service) -> None:
    for path in ("/api/process", "/api/preflight", "/api/usage/retry"):
        async with served.session.post(path, data=io.BytesIO(png())) as response:
            assert (response.status, (await response.json())["code"]) == (401, "access_token_required")
    assert (await served.json("GET", "/api/queue"))[0] == 200


async def test_a_job_is_charged_and_done_and_told_of_once(served: Service, fake: FakeProject) -> None:
    user = str(uuid.uuid4())
    async with user_of(served, fake.token(sub=user)) as session:
        status, job = await process(session, scale_factor="4x")
        assert (status, job["state"]) == (200, "done")
        await settled(fake, "committed", 1)
        assert fake.counting.states == {(user, str(uuid.UUID(job["id"]))): "committed"}
        event = fake.counting.told[0][1]
        assert (event["scale_factor"], event["processing_type"], event["image_pixels"]) == ("4x", "highres", 24 * 18)
        found = await usage(session)
    assert (found["current_tier"], found["day"]["used"], found["day"]["limit"]) == ("free", 1, 10)
    assert (found["waiting"], found["refused_count"], found["refused"]) == (0, 0, [])


async def test_the_limit_is_a_429_that_tells_how_to_go_on(served: Service, fake: FakeProject) -> None:
    fake.counting.limit = 1
    async with user_of(served, fake.token()) as session:
        picture = png()
        assert (await process(session, picture))[0] == 200
        for _ in range(2):
            async with session.post("/api/process", data=io.BytesIO(png())) as response:
                refused = await response.json()
                assert (response.status, refused["code"]) == (429, "usage_limit_exceeded")
                assert int(response.headers["Retry-After"]) > 0
                assert (refused["upgrade_required"], refused["current_tier"]) == (True, "free")
        wish = {"width": "100", "height": "80", "format": "png", "scale_factor": "2x"}
        async with session.post("/api/preflight", json=wish | {"width": 100, "height": 80}) as response:
            assert (response.status, (await response.json())["code"]) == (429, "usage_limit_exceeded")
        status, again = await process(session, picture)
        assert (status, again["cache"]) == (200, "hit"), "what she has costs nothing again"
    assert list((served.values.folders.cache / "tmp").iterdir()) == []


async def test_a_project_that_cannot_be_asked_takes_no_job_and_loses_none(served: Service, fake: FakeProject) -> None:
    async with user_of(served, fake.token()) as session:
        await process(session)
        fake.fails = 503
        status, refused = await process(session)
        assert (status, refused["code"]) == (503, "auth_unavailable")
        async with session.get("/api/jobs") as response:
            assert len((await response.json())["jobs"]) == 1


async def test_offline_jobs_are_done_and_counted_when_the_project_is_back(
    fake: FakeProject, tmp_path: Path, kernel_cache: Path
) -> None:
    accounts = {"supabase_url": fake.url, "supabase_anon_key": KEY, "offline_jobs": 2}
    async with running(tmp_path, kernel_cache, **accounts) as service, user_of(service, fake.token()) as session:
        async with session.get("/api/jobs"):  # the keys are known from here on
            pass
        fake.fails = 503
        assert [(await process(session))[0] for _ in range(3)] == [200, 200, 503]
        assert fake.counting.states == {}
        async with asyncio.timeout(PATIENCE):
            while (stream := await usage_stream(service))["waiting"] < 3:  # the third may have been counted
                await asyncio.sleep(0.01)
        assert stream["status"] == "unreachable"
        fake.fails = None
        await settled(fake, "committed", 2)
    assert fake.counting.charges("committed").total() == 2


async def test_a_job_that_fails_and_one_that_is_cancelled_in_time_cost_nothing(
    served: Service, fake: FakeProject
) -> None:
    async with user_of(served, fake.token()) as session:
        assert (await process(session, b"no picture"))[0] == 415
        assert fake.counting.states == {}, "it was never asked for"
        with stopped(served.worker_pid()):
            _, job = await process(session, wait=0)
            async with session.delete(f"/api/jobs/{job['id']}"):
                pass
        await settled(fake, "refunded", 1)
        assert (await usage(session))["day"]["used"] == 0


async def test_her_figures_rise_before_her_eyes_and_nobody_elses(served: Service, fake: FakeProject) -> None:
    ann, bob = fake.token(), fake.token()
    async with contextlib.AsyncExitStack() as stack:
        sockets, sessions = {}, {}
        for token in (ann, bob):
            sessions[token] = await stack.enter_async_context(user_of(served, token))
            sockets[token] = await stack.enter_async_context(sessions[token].ws_connect("/ws"))
            await sockets[token].send_json({"type": "subscribe", "jobs": "*"})
            assert (await said(sockets[token]))["type"] == "snapshot"
            first = await said(sockets[token])
            assert (first["type"], first["usage"]["day"]["used"]) == ("usage", 0)
        await process(sessions[ann])
        seen: list[Any] = []
        while not seen or seen[-1].get("event") != "done":
            seen.append(await said(sockets[ann]))
        used = [one["usage"]["day"]["used"] for one in seen if one.get("type") == "usage"]
        assert list(dict.fromkeys(used)) in ([1], [0, 1]), "the first may be told twice"
        await sockets[bob].send_json({"type": "subscribe", "jobs": "*"})
        told = [await said(sockets[bob])]
        while told[-1].get("type") != "snapshot":
            told.append(await said(sockets[bob]))
        told.append(await said(sockets[bob]))
        assert {one["usage"]["day"]["used"] for one in told if one.get("type") == "usage"} == {0}


async def test_a_socket_ends_a_little_after_its_token_unless_there_is_a_fresh_one(
    served: Service, fake: FakeProject
) -> None:
    user = str(uuid.uuid4())
    ending = fake.token(sub=user, exp=int(time.time()) - 28)  # within the half minute by which clocks may differ
    async with user_of(served, ending) as session, session.ws_connect("/ws") as left, session.ws_connect("/ws") as kept:
        await kept.send_json({"type": "auth", "token": fake.token(sub=user)})
        assert (await said(kept))["type"] == "authenticated"
        async with asyncio.timeout(PATIENCE):
            message = await left.receive()
        assert (message.type, left.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)
        await kept.send_json({"type": "subscribe", "jobs": "*"})
        assert (await said(kept))["type"] == "snapshot"


async def test_what_the_project_refuses_is_shown_and_told_again_when_asked(served: Service, fake: FakeProject) -> None:
    async with user_of(served, fake.token()) as session:
        with stopped(served.worker_pid()):
            _, job = await process(session, wait=0)
            fake.counting.poison = {str(uuid.UUID(job["id"]))}
        async with asyncio.timeout(PATIENCE):
            while not (found := await usage(session))["refused_count"]:
                await asyncio.sleep(0.01)
        assert [(one["job"], one["code"]) for one in found["refused"]] == [(job["id"], "23514")]
        assert (await usage_stream(served))["refused"] == 1
        fake.counting.poison.clear()
        async with session.post("/api/usage/retry") as response:
            assert await response.json() == {"waiting": 1}
        await settled(fake, "committed", 1)


async def test_figures_of_a_project_that_is_away_are_the_last_that_were_known(
    served: Service, fake: FakeProject
) -> None:
    async with user_of(served, fake.token()) as session:
        before = await usage(session)
        assert served.parts.accounts is not None
        for user in list(served.parts.accounts.profiles._known):
            served.parts.accounts.profiles.forget(user)
        fake.fails = 503
        assert await usage(session) == before


async def test_without_our_migrations_limits_are_advice_and_health_says_so(served: Service, fake: FakeProject) -> None:
    fake.counting.functions = {"enforce_subscription_limits"}
    async with user_of(served, fake.token()) as session:
        assert (await process(session))[0] == 200
        async with asyncio.timeout(PATIENCE):
            while not fake.counting.logs:
                await asyncio.sleep(0.005)
        _, health = await served.json("GET", "/health")
        assert health["services"]["supabase"]["limits"] == "advisory"
        fake.counting.owner_says = False
        assert (await process(session))[0] == 429


async def test_the_page_may_talk_to_the_project_and_to_nobody_else(served: Service, fake: FakeProject) -> None:
    async with served.stranger() as session, session.get("/") as response:
        assert f"connect-src 'self' {fake.url};" in response.headers["Content-Security-Policy"]


async def test_where_there_are_no_accounts_there_is_no_usage(tmp_path: Path, kernel_cache: Path) -> None:
    async with running(tmp_path, kernel_cache) as service:
        status, found = await service.json("GET", "/api/usage")
        assert (status, found["code"]) == (404, "not_found")
