"""Finding the service of this machine, and making sure that it is ours before it gets the token, each time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon.client import Patience, connect, connection, find
from daemon.errors import ServiceUnreachable
from daemon.published import Address, published_address
from daemon.settings import Folders
from tests.api.conftest import Service, serving
from tests.client.conftest import QUICK

pytestmark = pytest.mark.asyncio(loop_scope="session")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def publish(folders: Folders, port: int) -> None:
    folders.runtime_file.write_text(json.dumps({"host": "127.0.0.1", "port": port}))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Those of a service that runs no more."""
    found = Folders(tmp_path, tmp_path)
    found.token.write_text("the token\n")
    found.secret.write_text("the secret\n")
    return found


@asynccontextmanager
async def another(folders: Folders, handler: Handler, port: int = 0) -> AsyncIterator[None]:
    """Another program on our port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, host="127.0.0.1", port=port or None)
    await server.start_server()
    assert server.port is not None
    publish(folders, server.port)
    try:
        yield
    finally:
        await server.close()


async def test_addresses_are_urls() -> None:
    assert Address("127.0.0.1", 3007).url == "http://127.0.0.1:3007"
    assert Address("::1", 3007).url == "http://[::1]:3007"


@pytest.mark.parametrize("left", [None, "", "{", "[]", "null", '{"host": "x"}', '{"host": "x", "port": "y"}'])
async def test_a_runtime_file_that_says_nothing_is_none(folders: Folders, left: str | None) -> None:
    if left is not None:
        folders.runtime_file.write_text(left)
    assert published_address(folders) is None
    with pytest.raises(ServiceUnreachable, match="pro-engine run"):
        await connect(folders).__aenter__()


async def test_the_service_that_is_published_is_found(service: Service) -> None:
    publish(service.values.folders, service.port)
    async with connect(service.values.folders) as client:
        assert client.url == f"http://127.0.0.1:{service.port}"
        assert (await client.health())["status"] == "healthy"


async def test_without_folders_they_are_those_of_the_environment(service: Service) -> None:
    folders = service.values.folders
    publish(folders, service.port)
    env = {"HOME": "/nowhere", "PRO_ENGINE_STATE_DIR": str(folders.state), "PRO_ENGINE_CACHE_DIR": str(folders.cache)}
    async with connect(env=env) as client:
        assert client.url.endswith(str(service.port))


@pytest.mark.parametrize("answer", ["{}", "[]", "hello", '{"pid": 1, "proof": "00"}', '{"pid": 1, "proof": "ü"}'])
async def test_another_program_on_our_port_gets_no_token(folders: Folders, answer: str) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response(text=answer, content_type="application/json")

    async with another(folders, handler):
        with pytest.raises(ServiceUnreachable):
            await connect(folders).__aenter__()
    assert asked == [""]


async def test_a_service_that_does_not_answer_in_time_is_unreachable(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "FIND_SECONDS", 0.1)
    forever = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    async with another(folders, handler):
        with pytest.raises(ServiceUnreachable):
            await connect(folders).__aenter__()
        forever.set()


@asynccontextmanager
async def at_a_port(service: Service) -> AsyncIterator[int]:
    """The service as a daemon that listens there."""
    async with serving(service.parts, service.values) as there:
        publish(service.values.folders, there.port)
        yield there.port


async def test_a_service_that_comes_back_elsewhere_is_found_there(service: Service) -> None:
    job = await service.submit()
    async with AsyncExitStack() as stack:
        async with at_a_port(service) as first:
            client = await stack.enter_async_context(connect(service.values.folders, patience=QUICK))
            assert client.url.endswith(f":{first}")
            await client.job(job["id"])
        async with at_a_port(service) as second:
            assert (await client.job(job["id"])).id == job["id"]
            assert client.url.endswith(f":{second}")
            assert [event.kind async for event in client.follow(job["id"])] == ["done"]


async def test_a_stranger_who_has_the_port_by_now_gets_no_token(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the client's connection was closed in peace, so that nothing has failed."""
    monkeypatch.setattr(connection, "FRESH_SECONDS", 0.0)
    asked: list[tuple[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers.get("Authorization", "")))
        return web.json_response({"id": "x", "state": "done"})

    async with AsyncExitStack() as stack:
        async with at_a_port(service) as port:
            patience = Patience(away=0.2, first=0.01)
            client = await stack.enter_async_context(connect(service.values.folders, patience=patience))
            await client.service_info()
        async with another(service.values.folders, handler, port):
            for ask in (
                client.health,
                partial(client.job, "x"),
                partial(client.wait_for, "x"),
                partial(client.submit, b"x"),
            ):
                with pytest.raises(ServiceUnreachable):
                    await ask()
    assert {path for path, _ in asked} == {"/health"}
    assert {token for _, token in asked} == {""}
