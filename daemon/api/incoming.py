"""What a connection takes in: aiohttp's parser, with an end to everything."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

REST: Final = 1 << 16  # bytes of what is no HTTP that are held for whoever drops them
VERSIONS: Final = frozenset({HttpVersion10, HttpVersion11})
NOTHING: Final = ((), False, b"")


class HeadTooLate(HttpProcessingError):
    """No fault of what came, but of what did not."""


class Incoming:
    """A parser in front of aiohttp's, for what that leaves open once input cannot be parsed.

    The body that was coming in fails; aiohttp's handlers would wait for it for ever. Whatever follows is no request
    any more, but `rest`. And an error is always one of HTTP: the one of a library below would end the connection
    without an answer and fill the log.
    """

    def __init__(self, parser: Any, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._parser = parser
        self._protocol = protocol
        self._loop = loop
        self._body: StreamReader | None = None
        self.too_late = False  # for a head: set it, and whatever is fed next is an error
        self.rest: StreamReader | None = None  # from the error on; what is read of it makes place for more
        self.feed_eof = parser.feed_eof
        self.message_consumed = parser.message_consumed
        self.set_upgraded = parser.set_upgraded

    def feed_data(self, data: bytes) -> Any:
        """As aiohttp's: messages with their bodies, whether the connection was upgraded, and what came after that.

        Raises:
            HttpProcessingError: once.
        """
        if self.rest is not None:
            self.rest.feed_data(data)
            return NOTHING
        try:
            found = self._parse(data)
        except Exception as error:
            self.rest = StreamReader(self._protocol, REST, loop=self._loop)
            self._fail(RequestPayloadError("the body breaks its own encoding"))
            if isinstance(error, HttpProcessingError):
                raise
            raise BadHttpMessage("not to be parsed") from error
        if found[0]:
            self._body = found[0][-1][1]
        return found

    def _parse(self, data: bytes) -> Any:
        if self.too_late:
            raise HeadTooLate
        found = self._parser.feed_data(data)
        for message, _ in found[0]:
            if message.version not in VERSIONS:  # aiohttp takes 0.9 and 2.0, too, and answers in their name
                raise BadHttpMessage("another version of HTTP")
        return found

    def pause_reading(self) -> None:
        if self.rest is None:
            self._parser.pause_reading()

    def end(self) -> None:
        """The connection is gone."""
        if self.rest is not None:
            self.rest.feed_eof()
        self._fail(ConnectionResetError("the client is gone"))

    def _fail(self, error: Exception) -> None:
        if self._body is not None and not self._body.is_eof() and self._body.exception() is None:
            self._body.set_exception(error)
