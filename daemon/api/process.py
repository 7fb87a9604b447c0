"""`POST /api/process`: a picture in."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from daemon.api.parts import CALLER, PARTS, Parts
from daemon.api.route import answer, require_once
from daemon.api.upload import receive
from daemon.api.wire.fields import read_fields
from daemon.errors import BadRequest
from daemon.jobs.job import Job

MOST_WAIT_SECONDS: Final = 60
KEY: Final = r"^[!-~]([ -~]{0,253}[!-~])?$"
WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")


async def submit(request: web.Request) -> web.Response:
    """202 and the job, or 200 and the job where it is done already."""
    parts = request.app[PARTS]
    parts.submission.require_open()
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(KEY, key):
        raise BadRequest("Idempotency-Key must have 1 to 255 printable ASCII characters")
    require_once(request, set(request.query))
    limits = parts.limits
    upload, fields = await receive(request, parts.files, limits.upload_bytes, limits.upload_stall_seconds)
    try:
        spec = read_fields(fields).spec()
    except BaseException:
        await parts.files.drop(upload.path)
        raise
    job = await parts.submission.submit(upload, spec, request[CALLER].owner, key)
    if (seconds := seconds_to_wait(request)) and not job.is_over:
        job = await until_over(request, job, seconds)
    body = parts.job_out(job)
    headers = {"Location": f"/api/jobs/{job.id}"}
    return answer(body, 200 if job.is_over else 202, headers)


def seconds_to_wait(request: web.Request) -> int:
    """Seconds that `Prefer: wait=N` (RFC 7240) asks to hold the answer."""
    found = WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), MOST_WAIT_SECONDS) if found else 0


async def until_over(request: web.Request, job: Job, seconds: float) -> Job:
    """The job as it is when it ends, or after `seconds`, or when the daemon takes leave: the next one has it then."""
    parts = request.app[PARTS]
    with parts.hub.subscription(job.owner) as subscriber:
        subscriber.listen_to(frozenset({job.id}))
        try:
            async with waiting(request, parts, seconds):
                while not (job := await parts.ledger.get(job.id, job.owner)).is_over:
                    await subscriber.next()
        except TimeoutError:
            return await parts.ledger.get(job.id, job.owner)
    return job


@contextlib.asynccontextmanager
async def waiting(request: web.Request, parts: Parts, seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, which the daemon may cut short."""
    async with asyncio.timeout(0.0 if parts.closing.is_set() else seconds) as limit:
        parts.waits[limit] = request
        try:
            yield
        finally:
            del parts.waits[limit]
