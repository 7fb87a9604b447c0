"""One client's connection: aiohttp's, which takes leave of clients that do not get on.

aiohttp has no deadline for a request's head and none for an answer that nobody reads, tells of malformed HTTP as plain
text, and logs it with a traceback. It has no hooks for these, so some of its private names are used, each said why at
its place; the tests of the edge fail where one of them means something else.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from daemon.api.incoming import HeadTooLate, Incoming
from daemon.api.problems import BEGUN, answer_to, log_broken
from daemon.api.sending import SEND_SECONDS, cut
from daemon.errors import BadRequest, HeaderTooLarge, RequestTimeout
from daemon.fair_loop import in_turns

SLOW_SECONDS: Final = 1.0  # to take in that it was too slow
SEND_PROGRESS: Final = 1 << 14  # bytes that a client has to take in `send_seconds`, while more waits for it


@dataclass(frozen=True)
class EdgeLimits:
    """How long a client may take, in seconds."""

    header_seconds: float = 10.0  # for a request's head, from its first byte; a new connection, to send that
    keep_alive_seconds: float = 75.0  # between requests
    send_seconds: float = SEND_SECONDS  # without taking what is sent to it
    linger_seconds: float = 30.0  # to end a body that nobody wants, or to take in that it was no HTTP
    linger_bytes: int = 1 << 30


class Connection(RequestHandler):
    """A connection with one timer, which is aiohttp's own for connections that are kept alive."""

    __slots__ = ("_head_began", "_incoming", "_limits", "_unsent", "_wire")

    def __init__(self, server: web.Server, limits: EdgeLimits, **options: Any) -> None:
        # no lingering by aiohttp: ours is bounded in bytes, too
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, keepalive_timeout=limits.keep_alive_seconds, lingering_time=0, **options)
        self._limits = limits
        self._head_began = False
        self._unsent = 0  # bytes, when the timer was armed for their sending; 0 when it was armed for something else
        self._wire: asyncio.Transport | None = None  # `transport` until its end; aiohttp forgets it as it closes it
        # `_parser`: what aiohttp asks to parse; it makes its own by name
        self._incoming = Incoming(self._parser, self, loop)
        self._parser = cast("Any", self._incoming)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)
        self._arm(self._limits.header_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._incoming.end()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if data and not self._head_began and self._is_idle():  # still: this was a part of a head
            self._head_began = True
            self._arm(self._limits.header_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm_sending()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unsent = 0

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, whatever its making was, and take in what the client still sends."""
        resp = self._to_send(request, resp)
        try:
            resp, is_lost = await super().finish_response(request, resp, start_time)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001, of a response that could not be prepared
            resp = self.handle_error(request, exc=error)
            resp, is_lost = await super().finish_response(request, resp, start_time)
        self._head_began = False
        if not is_lost and self.transport is not None:
            if self.transport.get_write_buffer_size():
                self._arm_sending()
            await self._linger(request, resp)
        return resp, is_lost

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002, as aiohttp calls us
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """What nobody else could answer: malformed HTTP, and crashes outside of `problems`.

        Raises:
            ConnectionError: an answer has begun; its end is all that can still be told.
        """
        if isinstance(exc, HeadTooLate):
            response = answer_to(RequestTimeout("the head of the request did not come in time"), request)
        elif isinstance(exc, LineTooLong):
            response = answer_to(HeaderTooLarge("a line of the request's head is too long"), request)
        elif isinstance(exc, HttpProcessingError):
            response = answer_to(BadRequest("this is no request that HTTP/1.1 allows"), request)
        elif isinstance(exc, ConnectionError):
            raise exc
        elif BEGUN in request or request.writer.output_size > 0:
            raise ConnectionAbortedError(f"an answer had begun: {log_broken(exc, request)}")
        else:
            response = answer_to(exc or TimeoutError(), request)
        response.force_close()
        return response

    def _to_send(self, request: web.BaseRequest, resp: object) -> web.StreamResponse:
        if not isinstance(resp, web.StreamResponse):
            return self.handle_error(request, exc=TypeError(f"a handler gave {resp!r} as its response"))
        if resp.status < HTTPStatus.BAD_REQUEST:
            return resp
        if isinstance(resp, web.HTTPException):  # raised where no middleware saw it
            return self.handle_error(request, exc=resp)
        if not request.content.is_eof():  # refused before it was all there: the rest is none of anybody's
            resp.force_close()
        return resp

    async def _linger(self, request: web.BaseRequest, resp: web.StreamResponse) -> None:
        """Take in what the client still sends: closed upon, many a client would find a reset and not our answer."""
        is_last = not resp.keep_alive or request.content.exception() is not None
        body = (self._incoming.rest if is_last else None) or request.content
        if body.is_eof() or self.transport is None:
            return
        if is_last and self.transport.can_write_eof():  # it may read until our end, or wait for it
            self.transport.write_eof()
        is_slow = resp.status == HTTPStatus.REQUEST_TIMEOUT
        seconds, left = self._limits.linger_seconds, self._limits.linger_bytes
        with contextlib.suppress(TimeoutError, ConnectionError, RequestPayloadError), in_turns(self.transport):
            async with asyncio.timeout(min(seconds, SLOW_SECONDS) if is_slow else seconds):
                while left > 0 and self.connected and not body.is_eof():
                    left -= len(await body.readany())

    def _is_idle(self) -> bool:
        """Whether it waits for a request. aiohttp has no public word for that: it waits with this future."""
        return self._waiter is not None and not self._waiter.done()

    def _arm(self, seconds: float) -> None:
        # aiohttp's timer and the time that it is set for: a second one would have to be kept in step with it
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
        self._next_keepalive_close_time = when = self._loop.time() + seconds
        self._keepalive_handle = self._loop.call_at(when, self._process_keepalive)

    def _arm_sending(self) -> None:
        assert self._wire is not None
        self._unsent = self._wire.get_write_buffer_size()
        self._arm(self._limits.send_seconds)

    def _process_keepalive(self) -> None:
        """The timer's end. It is not cancelled when what it was armed for comes about; that is seen here."""
        self._keepalive_handle = None
        if self._wire is None:
            return
        if unsent := self._wire.get_write_buffer_size():
            if self._unsent and self._unsent - unsent < SEND_PROGRESS:
                cut(self._wire)
            else:
                self._arm_sending()
        elif not self._is_idle():
            return  # aiohttp arms it again after the answer
        elif self._loop.time() < self._next_keepalive_close_time:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
        else:
            self._leave()

    def _leave(self) -> None:
        if self._head_began or self._request_count == 0:
            self._incoming.too_late = True
            super().data_received(b"")  # aiohttp's way to an answer where there is no request
        else:
            self.force_close()
