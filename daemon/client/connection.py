"""Requests to one service over one session: foreign errors become ours, and what may be repeated is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
from aiohttp import hdrs

from daemon.client.endpoint import Endpoint, Source
from daemon.client.patience import Patience, Tries
from daemon.client.views import known_error
from daemon.errors import AccessTokenRequired, InvalidToken, ProEngineError, ServiceUnreachable, UnexpectedAnswer

CHUNK: Final = 1 << 20
CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 120.0  # for the next byte of an answer; an answer is held for 60 s at most
CLOSE_SECONDS: Final = 2.0
MAX_MESSAGE: Final = 1 << 26  # a snapshot of a thousand jobs has about a megabyte
HEARTBEAT_SECONDS: Final = 20.0
STANDARD_MEMBERS: Final = frozenset({"type", "title", "detail", "instance", "code", "message", "self"})
GATEWAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
REFUSED: Final = (InvalidToken, AccessTokenRequired)
FRESH_SECONDS: Final = 1.0  # for which a service that was found is taken to be there
_meant: ContextVar[Endpoint | None] = ContextVar("_meant", default=None)  # whom a new connection is for
Result = TypeVar("Result")


class Connection:
    """Looks for the service again after each failure: it may be elsewhere, and its token another one."""

    def __init__(self, url: str, source: Source, patience: Patience) -> None:
        self.url = url  # where it was found last
        self.patience = patience
        self._source = source
        self._endpoint: Endpoint | None = None
        self._found_at = float("-inf")
        self._refused: str | None = None  # the token that was, last
        self._finding = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._was_reached = False

    def open(self) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(self._before_connecting)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=CHUNK,
            trace_configs=[trace],
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def endpoint(self) -> Endpoint:
        """Where the service is, looked for where it was lost or has refused the token.

        Raises:
            ServiceUnreachable: there is none.
        """
        async with self._finding:
            if self._endpoint is None or self._endpoint.token == self._refused:
                return await self._find(self._refused)
            return self._endpoint

    async def _find(self, refused: str | None) -> Endpoint:
        self._endpoint = found = await self._source.find(refused)
        self.url, self._found_at = found.url, time.monotonic()
        return found

    async def _before_connecting(self, *_: object) -> None:
        """A kept connection that was closed in peace is replaced without an error, and a stranger may have the port by
        now: each new one is to where the service is found, with whatever proof that takes.
        """
        async with self._finding:
            if time.monotonic() - self._found_at > FRESH_SECONDS or self._endpoint != _meant.get():
                await self._find(None)
            if self._endpoint != _meant.get():
                raise ServiceUnreachable("the service is to be found elsewhere by now")

    def reached(self) -> None:
        """It is there: from now on, a connection that is refused is one to be made again."""
        self._was_reached = True

    async def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """What is answered, asked for again while the service is away: only for what may be done twice.

        Raises:
            ProEngineError: what the service says, ServiceUnreachable, or UnexpectedAnswer.
        """

        async def ask() -> dict[str, Any]:
            async with self.answer(method, path, **options) as response:
                return await read_json(response) if response.status != HTTPStatus.NO_CONTENT else {}

        return await self.patiently(ask, Tries(self.patience))

    async def patiently(self, attempt: Callable[[], Awaitable[Result]], tries: Tries) -> Result:
        while True:
            try:
                return await attempt()
            except ProEngineError as error:
                await self.before_next(tries, error)

    async def before_next(self, tries: Tries, error: ProEngineError) -> None:
        """Wait until another try is worth it; raises `error` where none is."""
        if isinstance(error, REFUSED) and tries.may_renew:
            tries.may_renew = False
            if await self._has_another_token(tries):
                return
            raise error
        pause = tries.pause(error)
        if pause is None or self._is_hopeless(error):
            raise error
        if isinstance(error, ServiceUnreachable):
            self._endpoint = None
        await asyncio.sleep(pause)

    async def _has_another_token(self, tries: Tries) -> bool:
        return (await self.patiently(self.endpoint, tries)).token != self._refused

    def _is_hopeless(self, error: ProEngineError) -> bool:
        """An address that has never answered is a wrong one, sooner than a service that is being restarted."""
        return not self._was_reached and isinstance(error.__cause__, aiohttp.ClientConnectorError)

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        accept: int | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, and its answer where that is good or has the status `accept`."""
        session, endpoint = self._open_session(), await self.endpoint()
        _meant.set(endpoint)
        own = {hdrs.AUTHORIZATION: f"Bearer {endpoint.token}", hdrs.ACCEPT_ENCODING: "identity", **(headers or {})}
        with self._reaching(endpoint):
            async with session.request(
                method, endpoint.url + path, headers=own, allow_redirects=False, **options
            ) as response:
                self.reached()
                if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES and response.status != accept:
                    raise await _problem(response)
                yield response

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An authenticated WebSocket, nothing subscribed yet."""
        session, endpoint = self._open_session(), await self.endpoint()
        _meant.set(endpoint)
        with self._reaching(endpoint):
            async with session.ws_connect(
                endpoint.url + "/ws",
                headers={hdrs.AUTHORIZATION: f"Bearer {endpoint.token}"},
                heartbeat=HEARTBEAT_SECONDS,
                max_msg_size=MAX_MESSAGE,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            ) as socket:
                self.reached()
                yield socket

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            raise RuntimeError("the client is not open: use it as `async with`, and not after that")
        return self._session

    @contextmanager
    def _reaching(self, endpoint: Endpoint) -> Iterator[None]:
        """Our errors for those of the network; a token that is refused is remembered."""
        try:
            yield
        except REFUSED:
            self._refused = endpoint.token
            raise
        except aiohttp.WSServerHandshakeError as error:
            raise _handshake_problem(endpoint, error.status) from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            says = str(error) or type(error).__name__
            raise ServiceUnreachable(f"the service at {endpoint.url} does not answer: {says}") from error


def _handshake_problem(endpoint: Endpoint, status: int) -> ProEngineError:
    says = f"the service at {endpoint.url} answered {status} instead of a WebSocket"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceUnreachable(says)
    return UnexpectedAnswer(says, status=status)


async def read_json(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Raises UnexpectedAnswer where it is no JSON object."""
    try:
        body = await response.json(content_type=None)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnexpectedAnswer(f"{response.url.path} answered what is no JSON object", status=response.status)
    return body


async def _problem(response: aiohttp.ClientResponse) -> ProEngineError:
    """What a problem document says: its code, its message, its further members, and the status."""
    try:
        body = await read_json(response)
        details = {name: value for name, value in body.items() if name not in STANDARD_MEMBERS}
        after = response.headers.get(hdrs.RETRY_AFTER, "")
        if after.isascii() and after.isdigit():
            details.setdefault("retry_after", int(after))
        return known_error(body["code"], str(body["message"]), **details | {"status": response.status})
    except (UnexpectedAnswer, KeyError, TypeError):
        says = f"{response.url.origin()} answered {response.status} {response.reason}"
        if response.status in GATEWAY:  # a proxy on the way, whose own way is cut
            return ServiceUnreachable(says)
        return UnexpectedAnswer(says, status=response.status)
