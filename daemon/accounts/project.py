"""The Supabase project whose users may use this service, and what is asked of it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType

from daemon.errors import AuthUnavailable

RETRY_SECONDS: Final = 10
SECONDS: Final = ClientTimeout(total=5.0, connect=2.0)
MOST_BYTES: Final = 1 << 20  # of a message over a WebSocket


@dataclass(frozen=True)
class Project:
    """Its address without a slash at the end, and the key that anybody may know."""

    url: str
    key: str = field(repr=False)

    @property
    def issuer(self) -> str:
        """Who signs its users' tokens."""
        return f"{self.url}/auth/v1"


async def tls_for(url: str) -> ssl.SSLContext | bool:
    """What aiohttp is to trust there: its own context was made without authorities, see quick_imports. They take a
    tenth of a second to load, so that is done for encrypted addresses only.
    """
    return await asyncio.to_thread(ssl.create_default_context) if url.startswith("https://") else True


class ProjectSocket:
    """A WebSocket of the project that speaks JSON."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises AuthUnavailable where it has ended."""
        try:
            await self._socket.send_json(message)
        except (ClientError, ConnectionError) as error:
            raise _away(error) from error

    async def receive(self, seconds: float) -> dict[str, Any] | None:
        """The next message that is an object; None where none came in time.

        Raises:
            AuthUnavailable: it has ended.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await self._socket.receive()
            except TimeoutError:
                return None
            if message.type is not WSMsgType.TEXT:
                raise AuthUnavailable("the project has ended the connection", retry_after=RETRY_SECONDS)
            with contextlib.suppress(ValueError):
                if isinstance(found := json.loads(message.data), dict):
                    return found


class ProjectHttp:
    """One pool of connections to the project, from `open` to `close`."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._session: ClientSession | None = None

    async def open(self) -> None:
        connector = TCPConnector(ssl=await tls_for(self._project.url))
        self._session = ClientSession(headers={"apikey": self._project.key}, timeout=SECONDS, connector=connector)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Status and JSON, None for what is none.

        Raises:
            AuthUnavailable: the project is out of reach, or not itself.
        """
        return await self._ask("GET", path, token, None)

    async def post(self, path: str, body: Any, token: str | None = None) -> tuple[int, Any]:
        """As `get`. Where it raises, the project may have done what was asked all the same."""
        return await self._ask("POST", path, token, body)

    async def call(self, function: str, arguments: Mapping[str, Any], token: str) -> tuple[int, Any]:
        """A function of the project's database, as the user of `token`."""
        return await self.post(f"/rest/v1/rpc/{function}", arguments, token)

    @contextlib.asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[ProjectSocket]:
        """Raises AuthUnavailable where the project has none there, or is out of reach."""
        assert self._session is not None, "it was not opened"
        params = {"apikey": self._project.key, "vsn": "1.0.0"}
        try:
            opened = await self._session.ws_connect(self._project.url + path, params=params, max_msg_size=MOST_BYTES)
        except (ClientError, TimeoutError, OSError) as error:
            raise _away(error) from error
        async with opened:
            yield ProjectSocket(opened)

    async def _ask(self, method: str, path: str, token: str | None, body: Any) -> tuple[int, Any]:
        assert self._session is not None, "it was not opened"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self._project.url + path
        try:
            async with self._session.request(method, url, headers=headers, json=body, allow_redirects=False) as answer:
                text, status = await answer.read(), answer.status
        except (ClientError, TimeoutError, OSError) as error:
            raise _away(error) from error
        try:
            return status, json.loads(text)
        except ValueError:
            return status, None


def _away(error: Exception) -> AuthUnavailable:
    why = f"the project of your account cannot be reached: {error}"
    return AuthUnavailable(why, retry_after=RETRY_SECONDS)
