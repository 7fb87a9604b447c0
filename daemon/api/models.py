"""`GET /api/models`: what can be asked for as `model`."""

from __future__ import annotations

from aiohttp import web

from daemon.api.parts import PARTS
from daemon.api.route import answer
from daemon.api.wire.models import models_out


async def list_models(request: web.Request) -> web.Response:
    """Each model once; `auto`, which may be asked for as well, is the default one's other name."""
    return answer(models_out(request.app[PARTS].executor.status()))
