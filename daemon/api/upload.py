"""An upload from the network to a temporary file, hashed as it streams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http import HttpVersion11

from daemon.api.pace import Pace, paced
from daemon.api.route import BROKEN_BODY, came_twice
from daemon.errors import BadRequest, UploadTooLarge
from daemon.jobs.submission import Upload
from daemon.store.files import Files, disk_errors

CHUNK: Final = 1 << 18
BATCH: Final = 1 << 19  # written and hashed in one go, off the loop
MOST_BEHIND: Final = 8  # batches that may wait for the disk, before the sender has to
MAX_FIELD: Final = 1000
MAX_FIELDS: Final = 50
MAX_NAME: Final = 200
QUERY_CONTROLS: Final = frozenset({"name"})  # of a raw upload: what a multipart part says in its header


async def invite_later(request: web.Request) -> None:
    """For `Expect: 100-continue`: aiohttp would ask for the body before anybody has looked at who sends what."""
    if request.version >= HttpVersion11 and not _waits_to_be_asked(request):
        raise web.HTTPExpectationFailed


def _waits_to_be_asked(request: web.Request) -> bool:
    return request.headers.get(hdrs.EXPECT, "").casefold() == "100-continue"


async def _invite(request: web.Request) -> None:
    if request.version >= HttpVersion11 and _waits_to_be_asked(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


async def receive(
    request: web.Request, files: Files, limit: int, stall_seconds: float
) -> tuple[Upload, dict[str, str]]:
    """Take a picture and its fields, as multipart or raw with the fields in the query.

    Raises:
        BadRequest, UploadTooLarge, UploadStalled, DiskFull: nothing is left behind.
    """
    temp = files.temp()
    try:
        async with paced(stall_seconds) as pace:
            if request.content_type == "multipart/form-data":
                await _invite(request)
                return await _multipart(request, temp, limit, pace)
            _require_size(request.content_length or 0, limit)
            await _invite(request)
            sha256 = await _store(_body(request, pace), temp, limit, pace)
            fields = {name: value for name, value in request.query.items() if name not in QUERY_CONTROLS}
            return Upload(temp, sha256, _clean_name(request.query.get("name"))), fields
    except BROKEN_BODY as error:
        _remove(temp)
        raise BadRequest("the upload broke off, or cannot be read") from error
    except BaseException:
        _remove(temp)
        raise


def _remove(temp: Path) -> None:
    with contextlib.suppress(OSError):
        temp.unlink()


async def _multipart(request: web.Request, temp: Path, limit: int, pace: Pace) -> tuple[Upload, dict[str, str]]:
    fields: dict[str, str] = dict(request.query)
    upload: Upload | None = None
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise BadRequest("every part of the form needs a name")
            if part.name == "image":
                if upload is not None:
                    raise BadRequest("one picture a request: `image` came twice")
                sha256 = await _store(_chunks(part, pace), temp, limit, pace)
                upload = Upload(temp, sha256, _clean_name(part.filename))
            else:
                if part.name in fields:
                    raise came_twice([part.name])
                fields[part.name] = await _field(part, pace)
                if len(fields) > MAX_FIELDS:
                    raise BadRequest("the form has too many fields")
    except (ValueError, AssertionError) as error:  # what aiohttp's reader raises over a malformed body
        raise BadRequest(f"the form cannot be read: {error}") from error
    if upload is None:
        raise BadRequest("the form has no file named `image`")
    return upload, fields


async def _body(request: web.Request, pace: Pace) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(CHUNK):
        pace.saw(len(chunk))
        yield chunk


async def _chunks(part: BodyPartReader, pace: Pace) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        pace.saw(len(chunk))
        yield chunk


async def _field(part: BodyPartReader, pace: Pace) -> str:
    value = bytearray()
    async for chunk in _chunks(part, pace):
        value += chunk
        if len(value) > MAX_FIELD:
            raise BadRequest(f"{part.name}: longer than {MAX_FIELD} bytes")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{part.name}: not UTF-8") from None


async def _store(chunks: AsyncIterator[bytes], path: Path, limit: int, pace: Pace) -> str:
    """Write chunks to `path` and return their SHA-256.

    Disk and hash work happens on a thread of the upload's own, batch after batch, while the next ones come in.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="upload")
    landing, is_whole = _Landing(path), False
    behind: deque[asyncio.Future[None]] = deque([loop.run_in_executor(thread, landing.open)])
    try:
        async for batch in _batches(chunks, limit):
            behind.append(loop.run_in_executor(thread, landing.write, batch))
            if len(behind) > MOST_BEHIND:
                await pace.rest(behind.popleft())
        while behind:
            await pace.rest(behind.popleft())
        is_whole = True
    finally:
        for write in behind:
            write.cancel()
        # after what is being written just now, which goes on whoever was cancelled here
        thread.submit(landing.close if is_whole else landing.give_up)
        thread.shutdown(wait=False)
    return landing.sha256


class _Landing:
    """Where an upload is written, and hashed: for its one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def open(self) -> None:
        with disk_errors():
            self._file = self._path.open("wb")

    def write(self, batch: list[bytes]) -> None:
        assert self._file is not None
        with disk_errors():
            for chunk in batch:
                self._file.write(chunk)
                self._digest.update(chunk)
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk may tell of it here once more
                self._file.close()

    def give_up(self) -> None:
        self.close()
        _remove(self._path)


async def _batches(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[list[bytes]]:
    """Chunks by the batch. Raises UploadTooLarge where they are more than `limit` bytes together."""
    size = 0
    batch: list[bytes] = []
    async for chunk in chunks:
        size += len(chunk)
        _require_size(size, limit)
        batch.append(chunk)
        if size // BATCH > (size - len(chunk)) // BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _require_size(size: int, limit: int) -> None:
    if size > limit:
        raise UploadTooLarge(f"the upload is larger than {limit >> 20} MiB")


def _clean_name(name: str | None) -> str:
    """A file name to show and to name the download by; never a path."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:MAX_NAME].strip(". ") or "picture"
