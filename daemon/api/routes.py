"""The table of routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from daemon.api import contract, health, jobs, live, models, preflight, process, service_info, upload
from daemon.api.account_routes import ACCOUNT_ROUTES
from daemon.api.contract import CONTRACT, contract_of
from daemon.api.metrics import scrape
from daemon.api.pairing_routes import PAIRING_ROUTES
from daemon.api.route import ROUTE_OF, Access, Answer, Header, Media, Messages, Route
from daemon.api.storage_routes import STORAGE_ROUTES
from daemon.api.wire.about import HealthOut, HealthQuery, ServiceInfoOut, UnavailableOut
from daemon.api.wire.jobs import JobOut, JobsPage, JobsQuery, ResultQuery
from daemon.api.wire.messages import FROM_CLIENT, FROM_SERVER
from daemon.api.wire.models import ModelsOut
from daemon.api.wire.preflight import PreflightFields, PreflightOut
from daemon.errors import (
    BrokenImage,
    DiskFull,
    Draining,
    IdempotencyConflict,
    ImageTooLarge,
    IntakeUnavailable,
    NotFound,
    NotPermitted,
    QueueFull,
    ResultExpired,
    ResultNotReady,
    StoreBusy,
    TooManySubscribers,
    UnsupportedFormat,
    UploadStalled,
    UploadTooLarge,
    UsageLimitExceeded,
)
from daemon.executor.formats import FACTS

METRICS: Final = Media(("text/plain", "application/openmetrics-text"))
PICTURES: Final = Media(tuple(facts.media_type for facts in FACTS.values()))
JSON: Final = Media(("application/json",))
JOB: Final = {"id": "of the job"}
OF_JOB: Final = ("/api/jobs/{id}", "/api/jobs/{id}/result")

ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        "/health",
        health.health,
        "How the service is. Touches no GPU, disk or network.",
        Access.OPEN,
        {
            200: Answer("It takes work.", HealthOut),
            503: Answer(
                "It takes no work: it is stopping, or failed and being restarted.",
                UnavailableOut,
                {"Retry-After": Header("seconds until the next try to restart it", always=False)},
            ),
        },
        query=HealthQuery,
    ),
    Route(
        "GET",
        "/api/service-info",
        service_info.service_info,
        "What the service is and can do, for a client that has just found it.",
        Access.OPEN,
        {200: Answer("As it is now.", ServiceInfoOut)},
    ),
    Route(
        "POST",
        "/api/process",
        process.submit,
        "A picture in: a job out.",
        Access.ACCOUNT,
        {
            200: Answer(
                "The job is over already: the cache had it, or it ended while you waited.",
                JobOut,
                {"Location": "of the job"},
                links=OF_JOB,
            ),
            202: Answer(
                "The job is on disk and will be done, whatever happens.",
                JobOut,
                {"Location": "of the job"},
                links=OF_JOB,
            ),
        },
        upload=True,
        headers={
            "Idempotency-Key": Header(
                "The same key gives the same job, so a lost answer does no harm. 1 to 255 characters.",
                pattern=process.KEY,
            ),
            "Prefer": "`wait=N`: hold the answer until the job is over, for at most N of 60 seconds.",
        },
        errors=(
            *(BrokenImage, UnsupportedFormat, ImageTooLarge, UploadTooLarge, IdempotencyConflict),
            *(UploadStalled, QueueFull, Draining, IntakeUnavailable, StoreBusy, DiskFull),
            *(UsageLimitExceeded, NotPermitted),
        ),
    ),
    Route(
        "POST",
        "/api/preflight",
        preflight.preflight,
        "What would come of a job: size, time, memory and cost, or the error that `process` would give now.",
        Access.ACCOUNT,
        {200: Answer("It would be taken.", PreflightOut)},
        body=PreflightFields,
        errors=(
            *(UnsupportedFormat, ImageTooLarge, UploadTooLarge, QueueFull, Draining, DiskFull, UsageLimitExceeded),
        ),
    ),
    Route(
        "GET",
        "/api/models",
        models.list_models,
        "What can be asked for as `model`, beside `auto`.",
        Access.CALLER,
        {200: Answer("As it is now.", ModelsOut)},
    ),
    Route(
        "GET",
        "/api/jobs",
        jobs.list_jobs,
        "Your jobs, newest first.",
        Access.CALLER,
        {200: Answer("A page of them.", JobsPage)},
        query=JobsQuery,
    ),
    Route(
        "GET",
        "/api/jobs/{id}",
        jobs.show_job,
        "One of your jobs.",
        Access.CALLER,
        {200: Answer("As it is now.", JobOut)},
        errors=(NotFound,),
        variables=JOB,
    ),
    Route(
        "DELETE",
        "/api/jobs/{id}",
        jobs.cancel_job,
        "Cancel a job. One that is over stays as it is.",
        Access.CALLER,
        {
            200: Answer("It is over.", JobOut),
            202: Answer("It will be seen to within one tile.", JobOut),
        },
        errors=(NotFound, StoreBusy, DiskFull),
        variables=JOB,
    ),
    Route(
        "GET",
        "/api/jobs/{id}/result",
        jobs.send_result,
        "The picture.",
        Access.TICKET,
        {
            200: Answer("All of it.", PICTURES, {"ETag": "of this very file", "Content-Disposition": "its name"}),
            206: Answer("The part that `Range` asked for.", PICTURES, {"Content-Range": "which part this is"}),
            304: Answer("You have it already."),
            412: Answer("It is not the file that `If-Match` names."),
            416: Answer("There is no such part.", None, {"Content-Range": "how large it is"}),
        },
        query=ResultQuery,
        headers={
            "Range": Header("`bytes=0-99`, `bytes=100-`, `bytes=-100`", r"^bytes=([0-9]+-[0-9]*|-[0-9]+)$"),
            "If-Match": "the `ETag` of the file that it must be",
            "If-None-Match": "an `ETag` that you have",
        },
        errors=(NotFound, ResultNotReady, ResultExpired),
        variables=JOB,
    ),
    *STORAGE_ROUTES,
    Route(
        "GET",
        "/ws",
        live.live,
        "Events over a WebSocket, with replay.",
        Access.OWN_WAY,
        {101: Answer("The WebSocket is open; `x-messages` describes what goes over it.")},
        messages=Messages(FROM_CLIENT, FROM_SERVER),
        errors=(TooManySubscribers,),
    ),
    Route(
        "GET",
        "/api/openapi.json",
        contract.contract,
        "This contract, made from the code.",
        Access.OPEN,
        {
            200: Answer("An OpenAPI 3.1 document.", JSON, {"ETag": "of this very document"}),
            304: Answer("You have it already.", None, {"ETag": "of this very document"}),
        },
        headers={"If-None-Match": "an `ETag` that you have"},
    ),
    Route(
        "GET",
        "/metrics",
        scrape.metrics,
        "The figures of the service, for Prometheus.",
        Access.ADMIN,
        {200: Answer("As they are now: Prometheus's text, or OpenMetrics for who accepts it.", METRICS)},
    ),
    *ACCOUNT_ROUTES,
    *PAIRING_ROUTES,
)


def add_routes(app: web.Application, routes: Sequence[Route] = ROUTES) -> None:
    """Let `app` answer `routes`, and know of each what it is."""
    app[ROUTE_OF] = {route.handler: route for route in routes}
    app[CONTRACT] = contract_of(routes)
    for route in routes:
        expect = upload.invite_later if route.upload else None
        app.router.add_route(route.method, route.path, route.handler, expect_handler=expect)
        if route.method == "GET" and route.access is not Access.OWN_WAY:
            app.router.add_route("HEAD", route.path, route.handler)
