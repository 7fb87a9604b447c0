"""A page of another origin, the service, and a real project: from the sign-up to the limit and beyond.

Over HTTP as a browser would, with Origin and preflights.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.conftest import PATIENCE, Service, png, running, said
from tests.conftest import kernel_cache as kernel_cache  # noqa: PLC0414, a fixture
from tests.supabase.conftest import DRIVERS
from tests.supabase.gate import Gate

ORIGIN = "http://localhost:3002"
FREE = 10


class Page:
    """What a page of ORIGIN can do: it reads only answers that let it."""

    def __init__(self, service: Service, gate: Gate, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.gate = gate
        self.session = session
        self.token = ""

    async def ask(self, method: str, url: str, **options: Any) -> tuple[int, Any]:
        headers = {"Origin": ORIGIN, **options.pop("headers", {})}
        if asks_first(method, headers):
            async with self.session.options(
                url,
                headers={
                    "Origin": ORIGIN,
                    "Access-Control-Request-Method": method,
                    "Access-Control-Request-Headers": ",".join(name.lower() for name in headers if name != "Origin"),
                },
            ) as response:
                assert response.status < 300, (url, response.status)
                assert response.headers["Access-Control-Allow-Origin"] in {ORIGIN, "*"}
                assert "authorization" in response.headers["Access-Control-Allow-Headers"].lower() or (
                    "Authorization" not in headers
                )
        async with self.session.request(method, url, headers=headers, **options) as response:
            assert response.headers["Access-Control-Allow-Origin"] in {ORIGIN, "*"}
            return response.status, await response.json(content_type=None)

    async def service_info(self) -> Any:
        return (await self.ask("GET", self.at("/api/service-info")))[1]

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.service.port}{path}"

    async def sign_up(self, project: dict[str, str]) -> str:
        """Her id."""
        user = {"email": f"{uuid.uuid4().hex}@example.org", "password": "correct horse 1"}
        headers = {"apikey": project["publishable_key"]}
        status, session = await self.ask("POST", f"{project['url']}/auth/v1/signup", json=user, headers=headers)
        assert status == 200, session
        self.token = session["access_token"]
        return str(session["user"]["id"])

    async def process(self, picture: bytes | None = None, **fields: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Prefer": "wait=30"}
        data = aiohttp.FormData(fields)
        data.add_field("image", io.BytesIO(picture or png()), filename="cat.png", content_type="image/png")
        return await self.ask("POST", self.at("/api/process"), data=data, headers=headers)


def asks_first(method: str, headers: dict[str, str]) -> bool:
    """Whether a browser would send a preflight."""
    return method not in {"GET", "POST"} or bool(set(headers) - {"Origin"})


@pytest.fixture
async def page(gate: Gate, tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Page]:
    project = {"supabase_url": gate.url, "supabase_anon_key": gate.lite.publishable_key}
    async with running(tmp_path, kernel_cache, **project) as service, aiohttp.ClientSession() as session:
        yield Page(service, gate, session)


@DRIVERS
async def test_from_a_sign_up_to_the_limit_and_beyond(page: Page) -> None:
    info = await page.service_info()
    user = await page.sign_up(info["supabase"])
    async with page.session.ws_connect(page.at("/ws"), headers={"Origin": ORIGIN}) as socket:
        await socket.send_json({"type": "auth", "token": page.token})
        assert (await said(socket))["type"] == "authenticated"
        await socket.send_json({"type": "subscribe", "jobs": "*"})
        figures = await rising(socket, 0)
        assert (figures["current_tier"], figures["day"]["limit"]) == ("free", FREE)
        for number in range(1, FREE + 1):
            status, job = await page.process(scale_factor="2x")
            assert (status, job["state"]) == (200, "done")
            await rising(socket, number)
        status, refused = await page.process(scale_factor="2x")
        assert (status, refused["code"]) == (429, "usage_limit_exceeded")
        assert (refused["upgrade_required"], refused["current_tier"]) == (True, "free")
        async with page.session.get(page.at(job["result_url"])) as response:
            assert response.status == 200
        await page.gate.change(f"user_profiles?id=eq.{user}", {"subscription_tier": "pro"})
        status, job = await page.process(scale_factor="4x")
        assert (status, job.get("state")) == (200, "done"), job
        figures = await rising(socket, FREE + 1)
        assert figures["current_tier"] == "pro"
    logs = await delivered(page.gate, user, FREE + 1)
    assert {row["event_status"] for row in logs} == {"done"}
    assert [row["scale_factor"] for row in logs] == ["2x"] * FREE + ["4x"]
    assert all(row["processing_time_ms"] > 0 for row in logs)


async def rising(socket: aiohttp.ClientWebSocketResponse, used: int) -> Any:
    """The figures once they say that so many jobs were used; they never fall meanwhile."""
    before = -1
    while True:
        message = await said(socket)
        if message.get("type") == "usage":
            assert message["usage"]["day"]["used"] >= before
            before = message["usage"]["day"]["used"]
            if before == used:
                return message["usage"]


async def delivered(gate: Gate, user: str, count: int) -> list[dict[str, Any]]:
    """Her log, once it has so many jobs that are over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = await gate.rows(f"usage_logs?user_id=eq.{user}&order=device_seq")
            if len(rows) == count and all(row["event_status"] != "reserved" for row in rows):
                return rows
            await asyncio.sleep(0.02)


@DRIVERS
async def test_a_tier_that_has_no_such_scale_is_a_429_of_its_own(page: Page) -> None:
    await page.sign_up((await page.service_info())["supabase"])
    status, refused = await page.process(scale_factor="4x")
    assert (status, refused["code"], refused["upgrade_required"]) == (429, "usage_limit_exceeded", True)
    assert "4x" in refused["message"]


@DRIVERS
async def test_one_users_job_is_not_there_for_another_and_costs_each_of_them(page: Page) -> None:
    project = (await page.service_info())["supabase"]
    ann = await page.sign_up(project)
    picture = png()
    status, job = await page.process(picture)
    assert status == 200
    anns, bob = page.token, await page.sign_up(project)
    headers = {"Authorization": f"Bearer {page.token}"}
    assert (await page.ask("GET", page.at(f"/api/jobs/{job['id']}"), headers=headers))[0] == 404
    status, same = await page.process(picture)
    assert (status, same["cache"]) == (200, "hit")
    page.token = anns
    assert (await page.process(picture))[0] == 200
    for user in (ann, bob):
        await delivered(page.gate, user, 1)
        (day,) = await page.gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
        assert day["used"] == 1


@DRIVERS
async def test_while_the_project_is_out_of_reach_nothing_is_taken_and_nothing_is_lost(page: Page) -> None:
    user = await page.sign_up((await page.service_info())["supabase"])
    assert (await page.process())[0] == 200
    await delivered(page.gate, user, 1)
    page.gate.down = True
    assert (await page.process())[0] == 503
    page.gate.down = False
    assert (await page.process())[0] == 200
    await delivered(page.gate, user, 2)
    (day,) = await page.gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
    assert day["used"] == 2


async def test_a_lost_answer_to_a_charge_is_made_good(page: Page) -> None:
    """The project has counted a job that nobody was told of: it is taken back."""
    user = await page.sign_up((await page.service_info())["supabase"])
    page.gate.lose, page.gate.paths = 1, "reserve_usage"
    assert (await page.process())[0] == 503
    async with asyncio.timeout(PATIENCE):
        while [row["state"] for row in await page.gate.rows(f"usage_reservations?user_id=eq.{user}")] != ["refunded"]:
            await asyncio.sleep(0.02)
    (day,) = await page.gate.rows(f"usage_counters?user_id=eq.{user}&period=eq.day")
    assert (day["used"], day["refunded"]) == (0, 1)
    assert await page.gate.rows(f"usage_logs?user_id=eq.{user}") == []


async def test_keys_may_be_rotated_while_tokens_of_the_old_one_are_about(page: Page) -> None:
    await page.sign_up((await page.service_info())["supabase"])
    assert (await page.process())[0] == 200
    page.gate.rotate()
    assert (await page.process())[0] == 200, "the old key is published still"
    assert page.service.parts.accounts is not None
    page.service.parts.accounts.users._keys._tried = None  # half a minute later
    page.token = page.gate.token_with(page.token)
    assert (await page.process())[0] == 200, "a key that is not known is fetched"


async def test_a_user_who_has_signed_out_is_charged_until_her_token_ends_and_no_longer(page: Page) -> None:
    """A token is good until it expires: the project says so too, and its events are told with it."""
    user = await page.sign_up((await page.service_info())["supabase"])
    with contextlib.suppress(AssertionError):
        await page.gate.post("/auth/v1/logout?scope=local", {}, page.token)
    assert (await page.process())[0] == 200
    await delivered(page.gate, user, 1)
    page.token = page.gate.token_with(page.token, exp=1, iat=0)
    assert (await page.process())[0] == 403
