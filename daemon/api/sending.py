"""Files to clients that may stop to read them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import IO, Any, Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

SEND_SECONDS: Final = 60.0  # without progress
LEAST: Final = 1 << 18  # bytes of a file that a client has to take in that time; a quick one, twice as many each time
MOST: Final = 1 << 22  # where a piece costs nothing any more
QUICK: Final = 1.0  # seconds for a piece
AT_ONCE: Final = 1 << 20  # bytes in one turn of the loop: a fraction of a millisecond
NO_LINGER: Final = struct.pack("ii", 1, 0)


class PieceByPiece(web.FileResponse):
    """A file, each piece of which has to be taken in `send_seconds`: aiohttp waits for ever for a client that does not
    read.
    """

    def __init__(self, path: Path, headers: dict[str, str], send_seconds: float) -> None:
        super().__init__(path, headers=headers)
        self._send_seconds = send_seconds

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return await super().prepare(_without_unknown_range(request))

    async def _sendfile(  # aiohttp's own sends all in one call, which nobody can see getting on
        self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int
    ) -> AbstractStreamWriter:
        writer = await web.StreamResponse.prepare(self, request)  # FileResponse's is who calls us
        assert writer is not None
        loop, end, piece = asyncio.get_running_loop(), offset + count, LEAST
        while offset < end:
            began = loop.time()
            transport = request.transport
            if transport is None or transport.is_closing():
                raise ConnectionResetError("the client is gone")
            if sent := _send_at_once(transport, fobj, offset, end - offset):
                offset += sent
                await asyncio.sleep(0)  # it is the others' turn
                continue
            try:
                async with asyncio.timeout(self._send_seconds):
                    sent = await loop.sendfile(transport, fobj, offset, min(piece, end - offset))
            except TimeoutError:
                cut(transport)
                raise ConnectionResetError("the client does not read") from None
            if not sent:
                raise ConnectionResetError("the file is shorter than its answer says")  # nothing but its end can tell
            offset += sent
            piece = min(2 * piece, MOST) if loop.time() - began < QUICK else LEAST
        await web.StreamResponse.write_eof(self)
        return writer


def _without_unknown_range(request: web.BaseRequest) -> web.BaseRequest:
    """A range of another unit than bytes is as none (RFC 9110, section 14.2); aiohttp would answer 416."""
    wanted = request.headers.get(hdrs.RANGE, "")
    if not wanted or wanted.partition("=")[0].strip().casefold() == "bytes":
        return request
    return request.clone(headers=[pair for pair in request.headers.items() if pair[0].casefold() != "range"])


def _send_at_once(transport: asyncio.Transport, file: IO[Any], offset: int, count: int) -> int:
    """Bytes that the kernel takes without waiting for the client; over the loop, each piece costs two turns of it.

    Raises:
        ConnectionError: the client is gone.
    """
    if transport.get_write_buffer_size():
        return 0
    try:
        wire = transport.get_extra_info("socket").fileno()
        return os.sendfile(wire, file.fileno(), offset, min(count, AT_ONCE))
    except ConnectionError:
        raise
    except OSError:  # it would have to wait, or no such file can be sent so: the loop knows what to do
        return 0


def cut(transport: asyncio.Transport) -> None:
    """End a connection at once. Merely closed, or aborted, the kernel would go on to offer what it holds to a client
    that answers and takes nothing.
    """
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
