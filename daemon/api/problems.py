"""Errors as RFC 9457 problem documents: the border where our tree becomes HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from daemon.errors import ProEngineError

STATUS: Final[Mapping[str, int]] = {
    "bad_request": 400,
    "access_token_required": 401,
    "invalid_token": 403,
    "not_permitted": 403,
    "origin_not_allowed": 403,
    "pairing_off": 403,
    "pairing_denied": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "upload_stalled": 408,
    "result_not_ready": 409,
    "idempotency_conflict": 409,
    "wrong_pairing_code": 409,
    "result_expired": 410,
    "pairing_expired": 410,
    "upload_too_large": 413,
    "unsupported_format": 415,
    "expectation_failed": 417,
    "wrong_host": 421,
    "image_too_large": 422,
    "broken_image": 422,
    "queue_full": 429,
    "too_many_pairings": 429,
    "usage_limit_exceeded": 429,
    "header_too_large": 431,
    "internal": 500,
    "draining": 503,
    "daemon_unavailable": 503,  # never ours: the supervisor says it in our place, and in our form
    "too_many_subscribers": 503,
    "intake_unavailable": 503,
    "auth_unavailable": 503,
    "store_busy": 503,
    "disk_full": 507,
}
# what may be asked again: each comes with `Retry-After`
RETRIED: Final = frozenset(
    {
        "queue_full",
        "too_many_pairings",
        "too_many_subscribers",
        "draining",
        "daemon_unavailable",
        "intake_unavailable",
        "auth_unavailable",
        "store_busy",
    }
)
# what aiohttp itself raises; any other status keeps its number and is a bad_request, or internal from 500 on
HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "upload_too_large", 417: "expectation_failed"}
BEGUN: web.RequestKey[bool] = web.RequestKey("begun", bool)
log = structlog.get_logger(__name__)


def problem(
    code: str, message: str, headers: Mapping[str, str] | None = None, *, http: int | None = None, **details: Any
) -> web.Response:
    """A problem document. `type` stays `about:blank`: the code says what it is. `http` is the status of a code that has
    several.
    """
    status = http or STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
    title = code.replace("_", " ")
    body = {"type": "about:blank", "title": title, "status": status, "detail": message, "code": code}
    return web.json_response(
        body | {"message": message} | details,
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Translate whatever a handler raises; no traceback and no path leaves."""
    try:
        return await handler(request)
    except Exception as error:
        is_answer = isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST
        has_left = isinstance(error, ConnectionError) and request.transport is None
        if is_answer or has_left:
            raise
        if BEGUN in request:  # the edge ends the connection: a second head would be read as a part of the answer
            raise
        return answer_to(error, request)


async def note_begun(request: web.Request, _: web.StreamResponse) -> None:
    """Runs before every response is sent, last."""
    request[BEGUN] = True


def answer_to(error: BaseException, request: web.BaseRequest) -> web.Response:
    """The document that tells of `error`; what is none of ours is logged by the id that the document carries."""
    if isinstance(error, ProEngineError):
        headers = {"Retry-After": str(error.details["retry_after"])} if "retry_after" in error.details else {}
        if error.code == "access_token_required":
            headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return problem(error.code, error.message, headers, **error.details)
    if isinstance(error, web.HTTPException):
        headers = {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
        rest = "bad_request" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal"
        return problem(HTTP_CODES.get(error.status, rest), error.reason, headers, http=error.status)
    error_id = log_broken(error, request)
    return problem("internal", f"something went wrong here; the log has it as {error_id}", error_id=error_id)


def log_broken(error: BaseException | None, request: web.BaseRequest) -> str:
    """The id by which the log has it."""
    error_id = secrets.token_hex(4)
    log.error("handler_broke", error_id=error_id, method=request.method, path=request.path, exc_info=error)
    return error_id
