"""A client of a running service: found by its runtime file, known by its proof, spoken to over HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import aiohttp

from daemon.errors import ProEngineError, ServiceUnreachable, from_code
from daemon.published import Address, published_services, read_word
from daemon.settings import Folders

FIND_SECONDS: Final = 2.0
CHUNK: Final = 1 << 20
SEND_CHUNK: Final = 1 << 18  # smaller, so that sending starts while the rest is read
RECONNECT_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MOST_RECONNECTS: Final = 30  # in a row without an event, about a minute
OVER: Final = frozenset({"done", "failed", "cancelled"})
Seen = Callable[[dict[str, Any]], None]


class Client:
    """An open connection with a service. Use as an async context manager."""

    def __init__(self, address: Address, token: str) -> None:
        self.address = address
        self._token = token
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._token}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(self.address.url, headers=headers, timeout=timeout, read_bufsize=CHUNK)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def health(self) -> dict[str, Any]:
        with self._reaching():
            async with self._session.get("/health") as response:
                return dict(await response.json())

    async def service_info(self) -> dict[str, Any]:
        return await self._json(self._session.get("/api/service-info"))

    async def submit(
        self, picture: Path | BinaryIO, name: str, fields: dict[str, str], key: str, wait: int = 0
    ) -> dict[str, Any]:
        """Hand in a picture, and wait up to `wait` seconds (60 at most) for its end.

        `key` makes it safe to hand in again when the answer was lost.
        """
        file = await asyncio.to_thread(picture.open, "rb") if isinstance(picture, Path) else picture
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            headers = {"Idempotency-Key": key, "Content-Length": str(size)}
            if wait:
                headers["Prefer"] = f"wait={wait}"
            params = {**fields, "name": name}
            return await self._json(
                self._session.post("/api/process", params=params, data=_chunks(file), headers=headers)
            )
        finally:
            file.close()

    async def job(self, job_id: str) -> dict[str, Any]:
        return await self._json(self._session.get(f"/api/jobs/{job_id}"))

    async def cancel(self, job_id: str) -> dict[str, Any]:
        return await self._json(self._session.delete(f"/api/jobs/{job_id}"))

    async def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Any route that takes and gives JSON. Raises ProEngineError, of the class that its problem names."""
        return await self._json(self._session.request(method, path, json=body))

    async def download(self, job_id: str, target: BinaryIO) -> None:
        """Write a result to `target`, a chunk at a time."""
        with self._reaching():
            async with self._session.get(f"/api/jobs/{job_id}/result") as response:
                await _raise_problem(response)
                async for chunk in response.content.iter_chunked(CHUNK):
                    await asyncio.to_thread(target.write, chunk)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An authenticated WebSocket, nothing subscribed yet."""
        async with self._session.ws_connect("/ws", heartbeat=20.0) as socket:
            yield socket

    async def follow(self, job_id: str, on_event: Seen) -> dict[str, Any]:
        """Watch a job to its end, across restarts of the daemon; the job as it is then."""
        since: int | None = None
        tries = 0

        def seen(event: dict[str, Any]) -> None:
            nonlocal since, tries
            since, tries = event.get("seq", since), 0
            on_event(event)

        while True:
            # most likely the daemon is being replaced: the supervisor keeps the port, and the next try finds the next
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, ServiceUnreachable):
                async with self.socket() as socket:
                    await socket.send_json({"type": "subscribe", "jobs": [job_id], "since": since})
                    if await _watch(socket, seen):
                        return await self.job(job_id)
            if tries >= MOST_RECONNECTS:
                raise ServiceUnreachable(f"the service at {self.address.url} does not answer any more")
            await asyncio.sleep(RECONNECT_SECONDS[min(tries, len(RECONNECT_SECONDS) - 1)])
            tries += 1

    async def _json(self, pending: Any) -> dict[str, Any]:
        with self._reaching():
            async with pending as response:
                await _raise_problem(response)
                return dict(await response.json())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, TimeoutError) as error:
            says = str(error) or type(error).__name__
            raise ServiceUnreachable(f"the service at {self.address.url} does not answer: {says}") from error


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """A file in pieces of our own size: aiohttp would hop to a thread for every 64 KiB of it."""
    while chunk := await asyncio.to_thread(file.read, SEND_CHUNK):
        yield chunk


async def _watch(socket: aiohttp.ClientWebSocketResponse, seen: Seen) -> bool:
    """Read events until the job is over; False where the connection ends before."""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            return False
        event = json.loads(message.data)
        seen(event)
        if event.get("event") in OVER or any(job["state"] in OVER for job in event.get("jobs", [])):
            return True
    return False


async def _raise_problem(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:  # noqa: PLR2004, what is below is no error
        return
    try:
        problem = await response.json(content_type=None)
        error = from_code(problem["code"], problem["message"])
    except (ValueError, KeyError, TypeError):
        error = ProEngineError(f"the service answered {response.status} {response.reason}")
    raise error


@asynccontextmanager
async def connect(folders: Folders, env: Mapping[str, str] = os.environ) -> AsyncIterator[Client]:
    """A client of the service that is running: the user's own, whose folders these are, or else the machine's.

    Raises:
        ServiceUnreachable: none is published, none answers, or what answers there is not ours.
    """
    first: ServiceUnreachable | None = None
    for address, found in published_services(folders, env):
        try:
            await prove(address, read_word(found.secret))
            token = read_word(found.token)
        except ServiceUnreachable as error:
            first = first or error
            continue
        async with Client(address, token) as client:
            yield client
        return
    raise first or ServiceUnreachable(
        "no service is running; `pro-engine run` starts one, `pro-engine service install` keeps one"
    )


async def prove(address: Address, secret: str) -> None:
    """Let the service prove that it has our secret, before any token is sent: another program may have its port.

    Raises:
        ServiceUnreachable: it did not answer in time, or could not.
    """
    challenge = secrets.token_hex(16)
    try:
        async with asyncio.timeout(FIND_SECONDS), aiohttp.ClientSession(address.url) as session:
            async with session.get("/health", params={"challenge": challenge}) as response:
                health = await response.json(content_type=None)
            text = f"challenge|{challenge}|{health['pid']}|{address.port}"
            expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            proved = hmac.compare_digest(expected, str(health["proof"]))
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise ServiceUnreachable(f"nothing of ours answers at {address.url}") from error
    if not proved:
        raise ServiceUnreachable(f"what answers at {address.url} is not this service")
