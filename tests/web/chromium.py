"""A headless Chromium, driven over its DevTools protocol: as much of it as the tests of the page need."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

JSON = dict[str, Any]
PATIENCE: Final = 20.0
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--mute-audio"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-dev-shm-usage"),
    *("--disable-backgrounding-occluded-windows", "--no-proxy-server", "--remote-debugging-port=0"),
)
WATCH_POLICY: Final = (
    "addEventListener('securitypolicyviolation', (event) => "
    "console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"
)


def installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page in a window of its own, and what went wrong in it."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self.target = target
        self.session = session
        self.problems: list[str] = []  # of the console, of scripts, of the policy, of the network
        self.downloaded = asyncio.Event()

    async def send(self, method: str, **params: Any) -> JSON:
        return await self._browser.send(method, self.session, **params)

    def notice(self, method: str, params: JSON) -> None:
        if method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.problems.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.problems.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())

    async def goto(self, url: str) -> None:
        """Leave for an address, and wait until its page has loaded; a mere change behind the `#` loads nothing."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression once it is true. Looked at, not told: anything may change it, a new page too."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    with contextlib.suppress(AssertionError):  # the page is on its way
                        if value := await self.run(script):
                            return value
                    await asyncio.sleep(0.02)
        except TimeoutError:
            text = await self.run("document.body.innerText")
            raise AssertionError(f"never: {script}; {self.problems}\n{text}") from None

    async def click(self, selector: str) -> None:
        """As a person does: in the middle of what is there, enabled and seen."""
        place = await self.until(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "if (!found || found.disabled || !found.checkVisibility()) return null;"
            "found.scrollIntoView({ block: 'center' }); const at = found.getBoundingClientRect();"
            "const [x, y] = [at.x + at.width / 2, at.y + at.height / 2];"
            "return found.contains(document.elementFromPoint(x, y)) && { x, y }; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    async def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text
            )

    async def choose(self, selector: str, *files: Path) -> None:
        """Files for an input."""
        document = await self.send("DOM.getDocument")
        found = await self.send("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.send("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(file) for file in files])

    async def look_like(self, width: int, height: int, scheme: str) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


class Browser:
    """The browser's one connection, and its tabs."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[JSON]] = {}
        self._tabs: dict[str, Tab] = {}
        self.on_event: Callable[[str, JSON], None] = lambda _method, _params: None

    async def send(self, method: str, session: str | None = None, **params: Any) -> JSON:
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json(
            {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        )
        async with asyncio.timeout(PATIENCE):
            body = await answer
        if "error" in body:
            raise AssertionError(f"{method}: {body['error']['message']}")
        result: JSON = body["result"]
        return result

    async def listen(self) -> None:
        async for message in self._socket:
            body = json.loads(message.data)
            if "id" in body:
                answer = self._answers.pop(body["id"])
                if not answer.done():
                    answer.set_result(body)
            elif (tab := self._tabs.get(body.get("sessionId", ""))) is not None:
                tab.notice(body["method"], body["params"])
            else:
                self.on_event(body["method"], body["params"])

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """A profile of its own: nothing that another test left there."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        try:
            async with self.tab_of(context) as tab:
                yield tab
        finally:
            await self.send("Target.disposeBrowserContext", browserContextId=context)

    @contextlib.asynccontextmanager
    async def tab_of(self, context: str) -> AsyncIterator[Tab]:
        target = (await self.send("Target.createTarget", url="about:blank", browserContextId=context, newWindow=True))[
            "targetId"
        ]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        self._tabs[session] = tab = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log", "DOM"):
            await tab.send(f"{domain}.enable")
        await tab.send("Page.addScriptToEvaluateOnNewDocument", source=WATCH_POLICY)
        try:
            yield tab
        finally:
            await self.send("Target.closeTarget", targetId=target)
            del self._tabs[session]


@contextlib.asynccontextmanager
async def running(program: str, profile: Path, *flags: str) -> AsyncIterator[Browser]:
    process = await asyncio.create_subprocess_exec(
        *(program, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(3 * PATIENCE):
            said = [await process.stderr.readline()]
            while b"DevTools listening on " not in said[-1]:
                assert said[-1], b"".join(said).decode()
                said.append(await process.stderr.readline())
        draining = asyncio.create_task(process.stderr.read())  # else it would wait for somebody to read
        url = said[-1].decode().partition(" on ")[2].strip()
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            yield browser
            await browser.send("Browser.close")
            await listening
        await draining
    finally:
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
