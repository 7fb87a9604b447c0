"""Users of a project by their access tokens, beside the machine's own token: each has her own jobs."""

from __future__ import annotations

import contextlib
import io
import uuid
from typing import Any

import aiohttp

from tests.accounts.fake_project import KEY, FakeProject
from tests.api.conftest import Service, png, said

ORIGIN = "http://localhost:3002"


async def ask(service: Service, token: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN, **options.pop("headers", {})}
    async with (
        service.stranger() as session,
        session.request(method, path, headers=headers, **options) as response,
    ):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        return response.status, await response.json(content_type=None)


async def hand_in(service: Service, token: str) -> str:
    data, wait = io.BytesIO(png()), {"Prefer": "wait=60"}
    status, job = await ask(service, token, "POST", "/api/process", data=data, headers=wait)
    assert (status, job["state"]) == (200, "done"), job
    return str(job["id"])


async def test_each_has_her_own_jobs_and_anothers_are_not_there(served: Service, fake: FakeProject) -> None:
    ann, bob = fake.token(), fake.token()
    job = await hand_in(served, ann)
    for token, expected in ((ann, 200), (bob, 404), (served.token, 404)):
        status, found = await ask(served, token, "GET", f"/api/jobs/{job}")
        assert status == expected
        status, found = await ask(served, token, "GET", "/api/jobs")
        assert [one["id"] for one in found["jobs"]] == ([job] if token == ann else [])
    status, found = await ask(served, bob, "DELETE", f"/api/jobs/{job}")
    assert (status, found["code"]) == (404, "not_found")


async def test_a_new_token_of_the_same_user_is_the_same_user(served: Service, fake: FakeProject) -> None:
    user = str(uuid.uuid4())
    job = await hand_in(served, fake.token(sub=user))
    status, _ = await ask(served, fake.token(sub=user), "GET", f"/api/jobs/{job}")
    assert status == 200


async def test_a_user_administers_nothing(served: Service, fake: FakeProject) -> None:
    status, found = await ask(served, fake.token(), "POST", "/api/queue/pause")
    assert (status, found["code"]) == (403, "not_permitted")
    status, _ = await ask(served, served.token, "POST", "/api/queue/pause")
    assert status == 200


async def test_no_token_a_wrong_one_and_nobody_to_ask_are_told_apart(served: Service, fake: FakeProject) -> None:
    async with served.stranger() as session, session.get("/api/jobs") as response:
        assert (response.status, (await response.json())["code"]) == (401, "access_token_required")
    status, found = await ask(served, fake.token(exp=1), "GET", "/api/jobs")
    assert (status, found["code"]) == (403, "invalid_token")
    assert served.parts.accounts is not None
    served.parts.accounts.users._keys._keys.clear()
    served.parts.accounts.users._keys._fetched = None
    fake.fails = 503
    served.parts.accounts.users._keys._tried = None
    status, found = await ask(served, fake.token(), "GET", "/api/jobs")
    assert (status, found["code"]) == (503, "auth_unavailable")


async def test_a_socket_tells_of_its_users_jobs_alone(served: Service, fake: FakeProject) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        for token in (fake.token(), fake.token()):
            session = await stack.enter_async_context(served.stranger())
            sockets[token] = socket = await stack.enter_async_context(session.ws_connect("/ws"))
            await socket.send_json({"type": "auth", "token": token})
            assert (await said(socket))["type"] == "authenticated"
            await socket.send_json({"type": "subscribe", "jobs": "*"})
            assert (await said(socket))["type"] == "snapshot"
        jobs = {token: await hand_in(served, token) for token in sockets}
        for token, socket in sockets.items():
            seen: set[str] = set()
            while (message := await said(socket)).get("event") != "done":
                if "event" in message:
                    seen.add(message["job"])
            assert seen == {jobs[token]}


async def test_the_service_says_whose_users_it_takes_and_whether_it_reaches_them(
    served: Service, fake: FakeProject
) -> None:
    _, info = await served.json("GET", "/api/service-info")
    assert info["auth"] == "supabase"
    assert info["supabase"] == {"url": fake.url, "publishable_key": KEY}
    await hand_in(served, fake.token())
    _, health = await served.json("GET", "/health")
    assert health["services"]["supabase"] == {"status": "ok", "limits": "enforced"}
