"""Whoever looks at an account hears when it changes: by Realtime where there is one, and a little later where not.

Realtime is a fake: what it says follows the protocol of Phoenix channels; the real one runs on hosted projects only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from daemon.accounts import watching
from daemon.accounts.project import Project, ProjectHttp
from daemon.accounts.tokens import Tokens
from daemon.accounts.watching import Watching
from tests.store.rows import Clock

PATIENCE = 10.0
KEY = "sb_publishable_x"


class FakeRealtime:
    """Keeps what it was told, and tells what the test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.refuses = False
        self.status: int | None = None  # in place of a WebSocket
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sockets: list[web.WebSocketResponse] = []
        self.left = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status is not None:
            return web.Response(status=self.status)
        assert request.query["apikey"] == KEY
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            said = message.json()
            self.heard.put_nowait(said)
            if said["event"] == "phx_join":
                status = "error" if self.refuses else "ok"
                await socket.send_json({**said, "event": "phx_reply", "payload": {"status": status, "response": {}}})
        self.left.set()
        return socket

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()

    async def tell(self, event: str, topic: str = "realtime:account:ann") -> None:
        await self.sockets[-1].send_json({"topic": topic, "event": event, "payload": {"data": {}}, "ref": None})


class Account:
    """What is asked anew, in the order of the asking."""

    def __init__(self) -> None:
        self.looks: asyncio.Queue[str] = asyncio.Queue()

    async def changed(self, user: str) -> None:
        self.looks.put_nowait(user)

    async def look(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return await self.looks.get()


@asynccontextmanager
async def opened(fake: FakeRealtime) -> AsyncIterator[tuple[Watching, Tokens, Account]]:
    app = web.Application()
    app.router.add_route("GET", watching.PATH, fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = ProjectHttp(Project(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY))
    await http.open()
    tokens, account = Tokens(Clock(1000.0)), Account()
    tokens.note("ann", "her token", 9999.0)
    one = Watching(http, tokens, account.changed)
    try:
        yield one, tokens, account
    finally:
        await one.close()
        await http.close()
        await runner.cleanup()


@pytest.fixture
def fake() -> FakeRealtime:
    return FakeRealtime()


async def test_a_change_is_heard_of_with_the_users_own_token(fake: FakeRealtime) -> None:
    async with opened(fake) as (one, _, account):
        with one.watch("ann"):
            assert await account.look() == "ann", "at first it is looked at"
            join = await fake.next()
            assert join["payload"]["access_token"] == "her token"
            listened = {change["table"]: change["filter"] for change in join["payload"]["config"]["postgres_changes"]}
            assert listened == {"user_profiles": "id=eq.ann", "usage_counters": "user_id=eq.ann"}
            await fake.tell("presence_state")
            await fake.tell("postgres_changes")
            assert await account.look() == "ann"
            assert account.looks.empty()


async def test_however_many_watch_there_is_one_connection_and_none_when_nobody_does(fake: FakeRealtime) -> None:
    async with opened(fake) as (one, _, account):
        with one.watch("ann"):
            with one.watch("ann"):
                await fake.next()
            await fake.tell("postgres_changes")
            assert [await account.look(), await account.look()] == ["ann", "ann"]
            assert len(fake.sockets) == 1
        async with asyncio.timeout(PATIENCE):
            await fake.left.wait()


async def test_silence_is_answered_with_beats_and_a_fresh_token_is_handed_on(
    fake: FakeRealtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.02)
    async with opened(fake) as (one, tokens, _):
        with one.watch("ann"):
            await fake.next()
            assert (await fake.next())["event"] == "heartbeat"
            tokens.note("ann", "a fresh one", 99_999.0)
            while (said := await fake.next())["event"] == "heartbeat":
                pass
            assert (said["event"], said["payload"]) == ("access_token", {"access_token": "a fresh one"})


@pytest.mark.parametrize("how", ["no Realtime", "refused", "closed", "ended", "no token"])
async def test_where_nothing_is_heard_it_is_asked_again_and_again(
    fake: FakeRealtime, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(watching, "ASK_SECONDS", 0.02)
    fake.status, fake.refuses = (404 if how == "no Realtime" else None), how == "refused"
    async with opened(fake) as (one, tokens, account):
        if how == "no token":
            tokens._known.clear()
        with one.watch("ann"):
            await account.look()
            if how in {"closed", "ended"}:
                await fake.next()
                await (fake.tell("phx_close") if how == "closed" else fake.sockets[-1].close())
            assert await account.look() == "ann"
            if how in {"closed", "ended"}:
                assert (await fake.next())["event"] == "phx_join", "it is tried again"
            else:
                assert await account.look() == "ann"
