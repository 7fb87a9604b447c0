"""`POST /api/preflight`: what would come of a job, before its picture is sent."""

from __future__ import annotations

from aiohttp import web

from daemon.api.parts import CALLER, PARTS
from daemon.api.route import answer, read_body
from daemon.api.wire.preflight import PreflightFields, preflight_out


async def preflight(request: web.Request) -> web.Response:
    """The outlook, or the error that `process` would give now."""
    parts = request.app[PARTS]
    parts.submission.require_open()
    fields = await read_body(request, PreflightFields)
    owner = request[CALLER].owner
    outlook = await parts.preflight.look(fields.source(), fields.spec(), owner)
    if parts.accounts is not None:
        await parts.accounts.limits.require_within(owner, outlook.billed)
    return answer(preflight_out(outlook))
