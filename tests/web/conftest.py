"""The service, two web apps that are not the service's own, and one browser for all tests of pages."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.api.conftest import Service, running
from tests.conftest import missing
from tests.web import chromium
from tests.web.chromium import Browser

DOC = Path(__file__).parent.parent.parent / "docs" / "pairing.md"
APP = """<!doctype html><meta charset="utf-8"><title>My App</title><link rel="icon" href="data:,">
<output id="code"></output><script type="module">
import {{ ProEngine }} from "/pro-engine.js";
window.engine = new ProEngine("{service}");
window.connect = () => engine.connect("My App", (code) => (document.getElementById("code").textContent = code ?? ""));
</script>"""


@dataclass
class Apps:
    """Web apps that use the snippet of the docs: one whose origin is listed, and one whose is not."""

    listed: str
    unlisted: str


@contextlib.asynccontextmanager
async def app_server(where: dict[str, str]) -> AsyncIterator[str]:
    """Serves an app, for the service that `where` names by then; its origin."""
    snippet = re.search(r"```js\n(export class .*?)```", DOC.read_text(), re.DOTALL)
    assert snippet is not None

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=APP.format(**where), content_type="text/html")

    async def script(_request: web.Request) -> web.Response:
        return web.Response(text=snippet[1], content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/pro-engine.js", script)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield f"http://127.0.0.1:{server.port}"
    await server.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def online(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> AsyncIterator[tuple[Service, Apps]]:
    """The service, and apps that know where it is."""
    where: dict[str, str] = {}
    async with contextlib.AsyncExitStack() as stack:
        listed, unlisted = [await stack.enter_async_context(app_server(where)) for _ in range(2)]
        folder = tmp_path_factory.mktemp("online")
        service = await stack.enter_async_context(running(folder, kernel_cache, origins=(listed,)))
        where["service"] = f"http://127.0.0.1:{service.port}"
        yield service, Apps(listed, unlisted)


@pytest.fixture
def apps(online: tuple[Service, Apps]) -> Apps:
    return online[1]


@pytest.fixture
def service(online: tuple[Service, Apps]) -> Service:
    return online[0]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(online: tuple[Service, Apps], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """It takes the listed app for a site of the Internet, which needs the user's permission to reach this machine."""
    program = chromium.installed()
    if program is None:
        if sys.platform != "linux":
            pytest.skip("there is no Chromium here")
        missing("there is no Chromium here", "apt-get install chromium")
    public = f"--ip-address-space-overrides={online[1].listed.removeprefix('http://')}=public"
    async with chromium.running(program, tmp_path_factory.mktemp("profile"), public) as started:
        yield started
