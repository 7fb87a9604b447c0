"""Pages in a real browser: the service's own, and a web app that pairs with the very code of the docs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.api.conftest import Service, png
from tests.web.chromium import Browser, Tab
from tests.web.conftest import Apps

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


@contextlib.asynccontextmanager
async def own_page(browser: Browser, service: Service) -> AsyncIterator[Tab]:
    """Opened as `pro-engine open` does."""
    _, made = await service.json("POST", "/api/login-codes")
    async with browser.tab() as tab:
        await tab.goto(f"http://127.0.0.1:{service.port}/#{made['code']}")
        await tab.until("document.querySelector('#health').dataset.status === 'healthy'")
        yield tab


@contextlib.asynccontextmanager
async def app_page(browser: Browser, origin: str, setting: str = "granted") -> AsyncIterator[Tab]:
    """An app's page, which may reach this machine or not."""
    async with browser.tab() as tab:
        target = await browser.send("Target.getTargetInfo", targetId=tab.target)
        await browser.send(
            "Browser.setPermission",
            permission={"name": "loopback-network"},
            setting=setting,
            origin=origin,
            browserContextId=target["targetInfo"]["browserContextId"],
        )
        await tab.goto(origin)
        await tab.until("window.engine !== undefined")
        yield tab


async def begin_to_connect(tab: Tab) -> str:
    """Let the app ask; the code that it shows."""
    await tab.run("void (window.connected = connect().then(() => 'yes', (error) => error.code))")
    return str(await tab.until("document.querySelector('#code').textContent"))


async def test_a_listed_app_pairs_is_allowed_on_our_page_and_gets_its_picture_enlarged(
    browser: Browser, service: Service, apps: Apps
) -> None:
    async with own_page(browser, service) as ours, app_page(browser, apps.listed) as app:
        code = await begin_to_connect(app)
        row = await ours.until("document.querySelector('#pending li')?.innerText")
        assert apps.listed in row
        assert "My App" in row
        assert code in row
        await ours.click("#pending .allow")
        assert await app.run("window.connected") == "yes"
        await ours.until("document.querySelector('#granted li') && !document.querySelector('#pending li')")

        picture = json.dumps(list(png(48, 36)))
        await app.run(f"void (window.file = new File([new Uint8Array({picture})], 'Zoë.png', {{ type: 'image/png' }}))")
        await app.run("void (window.figures = [])")
        result = await app.run(
            "engine.enlarge(file, { scale_factor: '2x' }, (figure) => figures.push(figure))"
            ".then((blob) => blob.arrayBuffer()).then((bytes) => [...new Uint8Array(bytes)])"
        )
        assert Image.open(io.BytesIO(bytes(result))).size == (96, 72)
        assert await ours.run("document.querySelectorAll('#job-list li').length") == 0, "it is the app's own job"
        assert app.problems == []

        await app.goto(f"{apps.listed}/?again")
        await app.until("window.engine !== undefined")
        assert await app.run("connect().then(() => 'yes')") == "yes", "the token is kept"
        await ours.click("#granted .revoke")
        await ours.until("!document.querySelector('#granted li')")
        assert await app.run("engine.enlarge(new File(['x'], 'x.png')).catch((error) => error.code)") == "invalid_token"
        assert ours.problems == []


async def test_a_denied_app_is_told_and_our_page_is_worked_by_keys_alone(
    browser: Browser, service: Service, apps: Apps
) -> None:
    service.parts.pairings.requests._requests.clear()
    async with own_page(browser, service) as ours, app_page(browser, apps.listed) as app:
        await begin_to_connect(app)
        await ours.until("document.querySelector('#pending .allow')?.disabled === false")
        reached = []
        while "Deny" not in reached:
            await ours.press("Tab", 9)
            reached.append(await ours.run("document.activeElement.id || document.activeElement.innerText"))
            assert len(reached) < 10, reached
        assert reached == ["files", "scale", "model", "denoise", "format", "Allow", "Deny"]
        await ours.press("Enter", 13, "\r")
        assert await app.run("window.connected") == "pairing_denied"
        await ours.until("!document.querySelector('#pending li')")
        assert ours.problems == []


async def test_an_app_that_is_not_listed_reaches_nothing(browser: Browser, service: Service, apps: Apps) -> None:
    async with app_page(browser, apps.unlisted) as app:
        assert await app.run("connect().catch((error) => error.name)") == "TypeError"
        closed = await app.run(
            "new Promise((resolve) => { const socket = new WebSocket(engine.url.replace('http', 'ws') + '/ws');"
            "socket.onopen = () => resolve('open'); socket.onclose = (event) => resolve(event.code); })"
        )
        assert closed == 1006
        assert await app.run("fetch(engine.url + '/health').catch((error) => error.name)") == "TypeError"


async def test_without_the_permission_to_reach_this_machine_an_app_cannot_even_ask(
    browser: Browser, service: Service, apps: Apps
) -> None:
    async with app_page(browser, apps.listed, "denied") as app:
        assert await app.run("connect().catch((error) => error.name)") == "TypeError"
        state = "navigator.permissions.query({ name: 'loopback-network' }).then((status) => status.state)"
        assert await app.run(state) == "denied"


async def test_our_page_logs_in_by_the_code_which_leaves_no_trace(browser: Browser, service: Service) -> None:
    async with own_page(browser, service) as tab:
        assert await tab.run("location.href") == f"http://127.0.0.1:{service.port}/"
        history = await tab.send("Page.getNavigationHistory")
        assert not [entry["url"] for entry in history["entries"] if "#" in entry["url"]]
        assert await tab.run("document.querySelector('#out').checkVisibility()") is False
        await tab.goto(f"http://127.0.0.1:{service.port}/?reloaded")
        await tab.until("document.querySelector('#in').checkVisibility()")
        assert tab.problems == []


async def test_without_a_code_or_with_a_used_one_our_page_says_how_to_get_in_and_nothing_else(
    browser: Browser, service: Service
) -> None:
    for code, says in (("", ""), ("#0123", "older than a minute")):
        async with browser.tab() as tab:
            await tab.goto(f"http://127.0.0.1:{service.port}/{code}")
            text = await tab.until("document.querySelector('#out').checkVisibility() && document.body.innerText")
            assert "pro-engine open" in text
            assert says in text
            assert "Jobs" not in text
            assert await tab.run("sessionStorage.length") == 0


async def test_our_page_takes_a_picture_shows_its_job_to_the_end_and_downloads_the_result(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    picture, broken = tmp_path / "a <b>holiday.png", tmp_path / "broken.png"
    picture.write_bytes(png(400, 300))
    broken.write_bytes(b"no picture")
    async with own_page(browser, service) as tab:
        await tab.run(WATCH_JOB)
        await tab.run("void (document.querySelector('#scale').value = '4x')")
        await tab.choose("#files", picture, broken)
        await tab.until("document.querySelector('#job-list .job')?.dataset.state === 'done'")
        text = await tab.run("document.querySelector('#job-list').innerText")
        assert "a <b>holiday.png" in text
        assert "400 \u00d7 300 → 1600 \u00d7 1200" in text.replace("\u00a0", " ")
        figures = await tab.run("window.figures")
        assert figures == sorted(figures)
        assert len(figures) > 2, "progress is shown"
        assert "broken.png" in await tab.until("document.querySelector('#refused').innerText")
        name, size = await download(browser, tab, "#job-list .download", tmp_path / "downloads")
        assert (name, size) == ("a _b_holiday-1600x1200.png", (1600, 1200))
        assert [problem for problem in tab.problems if "/api/process" not in problem] == [], (
            "422 is told by the browser"
        )


WATCH_JOB = """
window.figures = [];
new MutationObserver(() => {
  const bar = document.querySelector('#job-list progress');
  if (bar && bar.value !== figures.at(-1)) figures.push(bar.value);
}).observe(document.querySelector('#job-list'), { subtree: true, childList: true, attributes: true });
"""


async def download(browser: Browser, tab: Tab, selector: str, folder: Path) -> tuple[str, tuple[int, int]]:
    """Click, and wait for the file; its name and how large the picture in it is."""
    target = await browser.send("Target.getTargetInfo", targetId=tab.target)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    names: list[str] = []

    def on_event(method: str, params: dict[str, Any]) -> None:
        if method == "Browser.downloadWillBegin":
            names.append(params["suggestedFilename"])
        if method == "Browser.downloadProgress" and params["state"] == "completed" and not done.done():
            done.set_result(None)

    browser.on_event = on_event
    context = target["targetInfo"]["browserContextId"]
    await browser.send(
        "Browser.setDownloadBehavior",
        behavior="allow",
        browserContextId=context,
        downloadPath=str(folder),
        eventsEnabled=True,
    )
    await tab.click(selector)
    async with asyncio.timeout(20):
        await done
    (file,) = folder.iterdir()
    with Image.open(file) as image:
        return names[0], image.size


async def test_a_job_that_runs_is_cancelled_on_our_page(browser: Browser, service: Service) -> None:
    async with own_page(browser, service) as tab:
        fields = {"scale_factor": "8x", "name": "large.png"}
        picture = io.BytesIO(png(1500, 1500))
        async with service.session.post("/api/process", params=fields, data=picture) as response:
            assert response.status == 202
        await tab.click("#job-list .job:first-child .cancel")
        await tab.until("document.querySelector('#job-list .job')?.dataset.state === 'cancelled'")
        assert tab.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1000, 360])
async def test_our_page_fits_narrow_and_wide_windows_in_light_and_dark(
    browser: Browser, service: Service, width: int, scheme: str
) -> None:
    async with own_page(browser, service) as tab:
        await tab.look_like(width, 900, scheme)
        assert await tab.run("document.documentElement.scrollWidth") <= width
        ground = await tab.run("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(244, 245, 247)", "dark": "rgb(17, 19, 23)"}[scheme]
