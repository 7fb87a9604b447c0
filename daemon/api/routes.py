"""The table of routes."""

from __future__ import annotations

from aiohttp import web

from daemon.api import health, jobs, live, process, service_info, upload

ROUTES = [
    web.get("/health", health.health),
    web.get("/api/service-info", service_info.service_info),
    web.post("/api/process", process.submit, expect_handler=upload.invite_later),
    web.get("/api/jobs", jobs.list_jobs),
    web.get("/api/jobs/{id}", jobs.show_job),
    web.delete("/api/jobs/{id}", jobs.cancel_job),
    web.get("/api/jobs/{id}/result", jobs.send_result, name="result"),
    web.get("/ws", live.live),
]
