"""`GET /api/service-info`: what this service is and can do, for a client that has just found it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final, get_args

from aiohttp import web

from daemon.api.parts import PARTS
from daemon.api.route import answer
from daemon.api.wire.about import Capabilities, Limits, ServiceInfoOut, Supabase
from daemon.api.wire.fields import SCALES
from daemon.executor.formats import FACTS, sources
from daemon.jobs.job import LEAST_RATIO, MOST_RATIO, ModelName

NEEDS: Final = {"tiles", "footprint"}  # of a device: what preflight counts by


async def service_info(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    devices = parts.executor.status().devices
    project = parts.accounts.users.project if parts.accounts else None
    sockname = request.transport.get_extra_info("sockname") if request.transport else None
    return answer(
        ServiceInfoOut(
            version=version("pro-engine"),
            port=sockname[1] if sockname else None,
            status="draining" if parts.submission.draining else "available",
            auth="supabase" if parts.accounts else "local",
            supabase=Supabase(url=project.url, publishable_key=project.key) if project else None,
            capabilities=Capabilities(
                devices=[device.model_dump(exclude=NEEDS) for device in devices],
                models=list(get_args(ModelName)),
                scale_factors=[f"{scale:g}x" for scale in SCALES.values()],
                scale_range=(LEAST_RATIO, MOST_RATIO),
                formats_in=sources(),
                formats_out=list(FACTS),
                limits=Limits(
                    upload_bytes=parts.limits.upload_bytes,
                    source_pixels=parts.limits.source_pixels,
                    output_pixels=parts.limits.output_pixels,
                ),
            ),
        )
    )
