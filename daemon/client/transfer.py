"""Pictures on their way: out, so that they can be sent again, and in, so that a cut transfer goes on where it was."""

from __future__ import annotations

import asyncio
import io
import os
import re
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

from aiohttp import ClientResponse, hdrs

from daemon.client.connection import CHUNK, Connection
from daemon.client.patience import Tries
from daemon.errors import BadRequest, ProEngineError, ServiceUnreachable, UnexpectedAnswer

SEND_CHUNK: Final = 1 << 18  # smaller, so that sending starts while the rest is read
Picture = Path | bytes | BinaryIO
RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
LONGEST_NAME: Final = 48  # of the target's in that of its part: a character may take four bytes of the 255


class Outgoing:
    """A picture from its present position on. One that cannot be read again has no size, and is sent once."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name.encode(errors="replace").decode()  # names on disk need not be text
        self.is_sent = False
        self.failed: Exception | None = None  # ours, and no failure of the network
        self._file = file
        self._lock = threading.Lock()  # a read for a try that broke off may be under way still
        self.size: int | None = None
        if file.seekable():
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start

    async def chunks(self) -> AsyncIterator[bytes]:
        """In pieces of our own size: aiohttp would hop to a thread for every 64 KiB of a file."""
        offset, self.is_sent = 0, False
        try:
            while chunk := await asyncio.to_thread(self._read_at, offset):
                offset += len(chunk)
                self.is_sent = offset == self.size  # before it is given away: the service may have it at once
                yield chunk
            if self.size is not None and offset != self.size:
                self.failed = BadRequest("the picture became shorter while it was sent")
        except (OSError, ValueError) as error:
            self.failed = error
        if self.failed is not None:
            raise OSError(str(self.failed))  # has aiohttp break off, or the service would wait for the rest
        self.is_sent = True

    def _read_at(self, offset: int) -> bytes:
        with self._lock:
            if self.size is None:
                return self._file.read(SEND_CHUNK)
            self._file.seek(self._start + offset)
            return self._file.read(min(SEND_CHUNK, self.size - offset))


@asynccontextmanager
async def outgoing(picture: Picture, name: str | None) -> AsyncIterator[Outgoing]:
    """A file that we opened is closed again, the caller's own is not."""
    if isinstance(picture, bytes):
        yield Outgoing(io.BytesIO(picture), name or "picture")
    elif isinstance(picture, Path):
        file = await asyncio.to_thread(picture.open, "rb")
        try:
            yield await asyncio.to_thread(Outgoing, file, name or picture.name)
        finally:
            file.close()
    else:
        yield await asyncio.to_thread(Outgoing, picture, name or "picture")


async def download(connection: Connection, path: str, target: Path | BinaryIO) -> int:
    """Write what is at `path` of the service to `target`; its size in bytes. A file is there whole or not at all."""
    if not isinstance(target, Path):
        return await Incoming(connection, path, target).receive()
    with whole_or_nothing(target) as part, await asyncio.to_thread(part.open, "xb") as file:
        size = await Incoming(connection, path, file).receive()
        await asyncio.to_thread(_sync, file)
    return size


@contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """A name beside the target for what is being written, which becomes the target at the end, and else is gone."""
    part = target.with_name(f".{target.name[:LONGEST_NAME]}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


class Incoming:
    """Something that is being fetched into a file, over as many connections as it takes."""

    def __init__(self, connection: Connection, path: str, file: BinaryIO) -> None:
        self._connection = connection
        self._path = path
        self._file = file
        self._start = file.tell() if file.seekable() else None
        self._got = 0
        self._size: int | None = None
        self._etag: str | None = None

    async def receive(self) -> int:
        """All of it; its size.

        Raises:
            ProEngineError: what the service says, or it stayed away for too long.
        """
        tries = Tries(self._connection.patience)
        while True:
            try:
                async with aclosing(self._rest()) as rest:
                    async for chunk in rest:
                        await asyncio.to_thread(self._file.write, chunk)
                        self._got += len(chunk)
                        tries.reset()
                if self._size in {None, self._got}:
                    return self._got
                raise ServiceUnreachable(f"{self._got} of {self._size} bytes came")
            except ProEngineError as error:
                await self._connection.before_next(tries, error)

    async def _rest(self) -> AsyncGenerator[bytes, None]:
        """What is missing; after a change of the whole, all of it, over what is there."""
        headers: dict[str, str] = {}
        if self._got and self._etag:
            headers = {hdrs.RANGE: f"bytes={self._got}-", hdrs.IF_RANGE: self._etag}
        unsatisfiable = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        async with self._connection.answer("GET", self._path, headers=headers, accept=unsatisfiable) as response:
            if not self._goes_on(response):
                await self._rewind()
                if response.status != HTTPStatus.OK:  # a part of something else
                    raise ServiceUnreachable("the result was replaced while it was fetched")
                self._etag = _strong_etag(response)
                self._size = response.content_length
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk

    def _goes_on(self, response: ClientResponse) -> bool:
        """Whether it is the rest of what we have. The service's own word for `If-Range` is not relied on: aiohttp knows
        only dates there, and takes an ETag for none.
        """
        found = RANGE.fullmatch(response.headers.get(hdrs.CONTENT_RANGE, ""))
        return (
            response.status == HTTPStatus.PARTIAL_CONTENT
            and found is not None
            and (int(found[1]), int(found[2])) == (self._got, self._size)
            and _strong_etag(response) == self._etag
        )

    async def _rewind(self) -> None:
        if not self._got:
            return
        if self._start is None:
            raise UnexpectedAnswer("the transfer broke off, and what it is written to cannot be written anew")
        await asyncio.to_thread(self._truncate, self._start)
        self._got, self._etag, self._size = 0, None, None

    def _truncate(self, size: int) -> None:
        self._file.seek(size)
        self._file.truncate()


def _strong_etag(response: ClientResponse) -> str | None:
    etag = response.headers.get(hdrs.ETAG)
    return etag if etag and not etag.startswith("W/") else None
