"""An upload from the network to a temporary file, hashed as it streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http import HttpVersion11

from daemon.api.landing import land, require_size
from daemon.api.pace import Pace, paced
from daemon.api.route import BROKEN_BODY, came_twice
from daemon.errors import BadRequest
from daemon.fair_loop import in_turns
from daemon.jobs.submission import Upload
from daemon.store.files import Files

CHUNK: Final = 1 << 18
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
        with in_turns(request.transport):
            async with paced(stall_seconds) as pace:
                return await _take(request, temp, limit, pace)
    except BROKEN_BODY as error:
        await files.drop(temp)
        raise BadRequest("the upload broke off, or cannot be read") from error
    except BaseException:
        await files.drop(temp)
        raise


async def _take(request: web.Request, temp: Path, limit: int, pace: Pace) -> tuple[Upload, dict[str, str]]:
    if request.content_type == "multipart/form-data":
        await _invite(request)
        return await _multipart(request, temp, limit, pace)
    require_size(request.content_length or 0, limit)
    await _invite(request)
    sha256 = await land(_body(request, pace), temp, limit, pace)
    fields = {name: value for name, value in request.query.items() if name not in QUERY_CONTROLS}
    return Upload(temp, sha256, _clean_name(request.query.get("name"))), fields


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
                sha256 = await land(_chunks(part, pace), temp, limit, pace)
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


def _clean_name(name: str | None) -> str:
    """A file name to show and to name the download by; never a path."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:MAX_NAME].strip(". ") or "picture"
