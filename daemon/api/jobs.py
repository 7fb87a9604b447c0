"""`/api/jobs`: one's own jobs, their results, and stopping them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from daemon.api.parts import CALLER, PARTS
from daemon.api.process import until_over
from daemon.api.route import answer, read_query
from daemon.api.sending import PieceByPiece
from daemon.api.wire.jobs import JobsPage, JobsQuery
from daemon.errors import ProEngineError, ResultExpired, ResultNotReady
from daemon.executor.formats import FACTS, OutputFormat
from daemon.jobs.job import JobState

log = structlog.get_logger(__name__)
CANCEL_SECONDS: Final = 2.0  # a running job is seen to stop within a tile; the answer waits this long for it
LAST_BYTE: Final = re.compile(r"bytes \d+-(\d+)/(\d+)")
NAMES_KEPT: Final = 500


async def list_jobs(request: web.Request) -> web.Response:
    """Newest first; `cursor` of one answer asks for the next page."""
    parts, asked = request.app[PARTS], read_query(request, JobsQuery)
    before = int(asked.cursor) if asked.cursor else None
    found = await parts.ledger.page(request[CALLER].owner, asked.state, asked.limit, before)
    following = str(found[-1].number) if len(found) == asked.limit else None
    return answer(JobsPage(jobs=[parts.job_out(job) for job in found], cursor=following))


async def show_job(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    return answer(parts.job_out(await parts.ledger.get(request.match_info["id"], request[CALLER].owner)))


async def cancel_job(request: web.Request) -> web.Response:
    """Stop a job; one that is over stays as it is, so a second click does no harm."""
    parts = request.app[PARTS]
    job = await parts.ledger.get(request.match_info["id"], request[CALLER].owner)
    if not job.is_over:
        await parts.runner.cancel(job)
        job = await until_over(request, job, CANCEL_SECONDS)
    return answer(parts.job_out(job), 200 if job.is_over else 202)


async def send_result(request: web.Request) -> web.StreamResponse:
    """The picture, by sendfile, with Range and ETag."""
    parts = request.app[PARTS]
    job = await parts.ledger.get(request.match_info["id"], request[CALLER].owner)
    if job.state is not JobState.DONE or job.result_path is None:
        raise ResultNotReady(f"the job is {job.state}; only a job that is done has a result", state=job.state)
    path = parts.files.path(job.result_path)
    if not path.exists():
        raise ResultExpired("the result was kept for its time and is gone; ask for it again")
    headers = {
        "Content-Type": FACTS[job.format].media_type,
        "Content-Disposition": _disposition(job.name, job.out_width, job.out_height, job.format),
        "Cache-Control": "private, no-cache",
    }
    return _ResultResponse(path, headers, parts.limits.send_seconds, on_sent=lambda: parts.ledger.fetched(job))


class _ResultResponse(PieceByPiece):
    """Notes the fetch once the picture's end is sent: a look at its head or its first bytes, or an answer that broke
    off, leaves the result pinned.
    """

    def __init__(
        self, path: Path, headers: dict[str, str], send_seconds: float, on_sent: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(path, headers, send_seconds)
        self._on_sent = on_sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        writer = await super().prepare(request)  # sends all of it
        if request.method == hdrs.METH_GET and (self.status == HTTPStatus.OK or self._is_last_range()):
            try:
                await self._on_sent()
            except ProEngineError as error:  # the picture is sent all the same; it stays pinned a little longer
                log.warning("fetch_not_noted", reason=error.message)
        return writer

    def _is_last_range(self) -> bool:
        found = LAST_BYTE.fullmatch(self.headers.get(hdrs.CONTENT_RANGE, ""))
        return self.status == HTTPStatus.PARTIAL_CONTENT and found is not None and int(found[1]) + 1 == int(found[2])


@lru_cache(maxsize=NAMES_KEPT)
def _disposition(source: str, width: int, height: int, kind: OutputFormat) -> str:
    """A name for the download, RFC 6266, in ASCII and in UTF-8."""
    stem = PurePath(source).stem or "picture"
    name = f"{stem}-{width}x{height}.{FACTS[kind].ending}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.() ") else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
