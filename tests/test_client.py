"""The client: finds a service, makes sure that it is ours, and survives its restarts."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon import client as clients
from daemon.api import goodbye
from daemon.client import Client, connect
from daemon.errors import BrokenImage, ResultNotReady, ServiceUnreachable
from daemon.published import Address, published_address
from daemon.settings import Folders
from tests.api.conftest import JSON, Service, png, running


@pytest.fixture
async def service(tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Service]:
    async with running(tmp_path, kernel_cache) as one:
        publish(one.values.folders, one.port)
        yield one


def publish(folders: Folders, port: int) -> None:
    folders.runtime_file.write_text(json.dumps({"host": "127.0.0.1", "port": port}))


async def submit(client: Client, picture: bytes) -> JSON:
    return await client.submit(io.BytesIO(picture), "a b&c.png", {"scale_factor": "2x"}, uuid.uuid4().hex)


def test_addresses_are_urls() -> None:
    assert Address("127.0.0.1", 3007).url == "http://127.0.0.1:3007"
    assert Address("::1", 3007).url == "http://[::1]:3007"


@pytest.mark.parametrize("left", [None, "", "{", "[]", "null", '{"host": "x"}', '{"host": "x", "port": "y"}'])
def test_a_runtime_file_that_says_nothing_is_none(tmp_path: Path, left: str | None) -> None:
    folders = Folders(tmp_path, tmp_path)
    if left is not None:
        folders.runtime_file.write_text(left)
    assert published_address(folders) is None


async def test_from_picture_to_result(service: Service) -> None:
    figures: list[float] = []

    def seen(event: JSON) -> None:
        if event.get("event") == "progress":
            figures.append(event["data"]["progress"])

    async with connect(service.values.folders) as client:
        assert (await client.health())["status"] == "healthy"
        assert (await client.service_info())["name"] == "pro-engine"
        job = await submit(client, png(400, 300))
        job = await client.follow(job["id"], seen)
        assert (job["state"], job["name"]) == ("done", "a b&c.png")
        assert await client.follow(job["id"], seen) == job | {"result_url": (await client.job(job["id"]))["result_url"]}
        target = io.BytesIO()
        await client.download(job["id"], target)
        assert len(target.getvalue()) == job["result_bytes"]
        assert (await client.cancel(job["id"]))["state"] == "done"
    assert figures == sorted(figures)


async def test_errors_arrive_as_what_they_are(service: Service) -> None:
    async with connect(service.values.folders) as client:
        with pytest.raises(BrokenImage, match="empty"):
            await submit(client, b"")
        job = await submit(client, png(1000, 1000))
        with pytest.raises(ResultNotReady):
            await client.download(job["id"], io.BytesIO())
        await client.cancel(job["id"])


async def test_following_survives_the_end_of_a_connection(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RECONNECT_SECONDS", (0.0,))
    changes: list[str] = []
    async with connect(service.values.folders) as client:
        job = await submit(client, png(900, 900))
        following = asyncio.create_task(
            client.follow(job["id"], lambda event: changes.append(str(event.get("event") or event.get("type"))))
        )
        while not service.parts.sockets:
            await asyncio.sleep(0)
        await goodbye.say_goodbye_to_all(service.parts)
        assert (await following)["state"] == "done"
    kept = [change for change in changes if change not in {"progress", "snapshot"}]
    assert len(kept) == len(set(kept)), "no change is told twice"


@asynccontextmanager
async def another(folders: Folders, handler: object) -> AsyncIterator[None]:
    """Another program on our port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    assert server.port is not None
    publish(folders, server.port)
    yield
    await server.close()


@pytest.mark.parametrize("answer", ["{}", "[]", "hello", '{"pid": 1, "proof": "00"}', '{"pid": 1, "proof": "ü"}'])
async def test_another_program_on_our_port_gets_no_token(tmp_path: Path, answer: str) -> None:
    folders = Folders(tmp_path, tmp_path)
    folders.token.write_text("the token")
    folders.secret.write_text("the secret")
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response(text=answer, content_type="application/json")

    async with another(folders, handler):
        with pytest.raises(ServiceUnreachable):
            async with connect(folders):
                pass
    assert asked == [""]


async def test_a_service_that_does_not_answer_in_time_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "FIND_SECONDS", 0.1)
    folders = Folders(tmp_path, tmp_path)
    folders.token.write_text("the token")
    folders.secret.write_text("the secret")
    forever = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    async with another(folders, handler):
        with pytest.raises(ServiceUnreachable):
            async with connect(folders):
                pass
        forever.set()


async def test_a_download_that_breaks_off_is_the_services_trouble_and_no_crash(tmp_path: Path) -> None:
    """The command line goes on with the next picture."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport is not None
        request.transport.abort()
        return response

    folders = Folders(tmp_path, tmp_path)
    async with another(folders, handler):
        address = published_address(folders)
        assert address is not None
        async with Client(dataclasses.replace(address), "token") as client:
            with pytest.raises(ServiceUnreachable):
                await client.download("x", io.BytesIO())
            with pytest.raises(ServiceUnreachable):
                await client.health()
