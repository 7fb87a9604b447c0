"""Errors as RFC 9457 problem documents: the border where our tree becomes HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from daemon.errors import ProEngineError

STATUS: Final[Mapping[str, int]] = {
    "bad_request": 400,
    "access_token_required": 401,
    "invalid_token": 403,
    "not_permitted": 403,
    "origin_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "result_not_ready": 409,
    "idempotency_conflict": 409,
    "result_expired": 410,
    "upload_too_large": 413,
    "unsupported_format": 415,
    "wrong_host": 421,
    "image_too_large": 422,
    "broken_image": 422,
    "queue_full": 429,
    "internal": 500,
    "draining": 503,
    "daemon_unavailable": 503,  # never ours: the supervisor says it in our place, and in our form
    "intake_unavailable": 503,
    "store_busy": 503,
    "disk_full": 507,
}
# what may be asked again: each comes with `Retry-After`
RETRIED: Final = frozenset({"queue_full", "draining", "daemon_unavailable", "intake_unavailable", "store_busy"})
HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed", 413: "upload_too_large"}
log = structlog.get_logger(__name__)


def problem(code: str, message: str, headers: Mapping[str, str] | None = None, **details: Any) -> web.Response:
    """A problem document. `type` stays `about:blank`: the code says what it is."""
    status = STATUS.get(code, 500)
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
    except ProEngineError as error:
        headers = {"Retry-After": str(error.details["retry_after"])} if "retry_after" in error.details else {}
        if error.code == "access_token_required":
            headers["WWW-Authenticate"] = "Bearer"
        return problem(error.code, error.message, headers, **error.details)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004, what is below is no error
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return problem(HTTP_CODES.get(error.status, "bad_request"), error.reason, headers)
    except Exception:
        error_id = secrets.token_hex(4)
        log.exception("handler_broke", error_id=error_id, method=request.method, path=request.path)
        return problem("internal", f"something went wrong here; the log has it as {error_id}", error_id=error_id)


async def go_on(request: web.Request) -> web.StreamResponse | None:
    """Tell a client that asks first to send its body. aiohttp's answer to other expectations is no problem document."""
    if request.headers.getone(hdrs.EXPECT).casefold() != "100-continue":
        return problem("bad_request", "of all expectations only 100-continue is understood")
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    return None
