"""What a client is told while there is no daemon: pure, from the head of its request to the bytes of the answer."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

MOST_CHALLENGE = 128  # as the daemon has it
CODE = "daemon_unavailable"
ORIGIN = re.compile(rb"^origin:[ \t]*(\S+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
ALLOWED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Range"
PREFLIGHT = (
    "Access-Control-Allow-Methods: GET, POST, DELETE",
    f"Access-Control-Allow-Headers: {ALLOWED}",
    "Access-Control-Allow-Private-Network: true",
)


@dataclass(frozen=True, slots=True)
class OutageReport:
    """Why there is no daemon, and what is done about it."""

    reason: str  # a sentence for a person
    error_id: str  # the log has it as well
    retry_at: float  # when the next daemon is started, on the loop's clock
    restarts: int


def answer(
    head: bytes,
    report: OutageReport,
    *,
    now: float,
    port: int,
    prove: Callable[[str, int], str | None],
    origins: Collection[str] = (),
) -> bytes:
    """503, whatever is asked. A request that makes no sense gets it too: nobody is here who could mind it.

    A page of one of `origins` may read it; its preflight is answered, or it would only see that the network failed.
    """
    method, path, challenge = _read(head)
    page = _page(head, origins)
    if page and method == "OPTIONS":
        return "\r\n".join(
            ("HTTP/1.1 204 No Content", *_allowing(page), *PREFLIGHT, "Connection: close", "", "")
        ).encode()
    retry_after = max(1, math.ceil(report.retry_at - now))
    if path == "/health" and method in {"GET", "HEAD"}:
        body, content_type = _health(report, retry_after, port), "application/json"
        if challenge and (proof := prove(challenge, port)):
            body["proof"] = proof
    else:
        body, content_type = _problem(report, retry_after), "application/problem+json"
    payload = json.dumps(body).encode()
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(payload)}",
        f"Retry-After: {retry_after}",
        "X-Content-Type-Options: nosniff",
        *(_allowing(page) if page else ()),
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + (b"" if method == "HEAD" else payload)


def _read(head: bytes) -> tuple[str, str, str]:
    """Method, path and challenge; empty where there is none."""
    method, _, rest = head.decode("ascii", "replace").partition(" ")
    target = rest.partition("\n")[0].partition(" ")[0].strip()
    try:
        url = urlsplit(target)
        challenge = parse_qs(url.query).get("challenge", [""])[0]
    except ValueError:  # such as an address in brackets that is none
        return method, "", ""
    return method, url.path, challenge if len(challenge) <= MOST_CHALLENGE else ""


def _page(head: bytes, origins: Collection[str]) -> str | None:
    """The listed origin whose page asks."""
    found = ORIGIN.search(head)
    origin = found[1].decode("ascii", "replace") if found else None
    return origin if origin in origins else None


def _allowing(origin: str) -> tuple[str, ...]:
    return (
        f"Access-Control-Allow-Origin: {origin}",
        "Access-Control-Expose-Headers: Retry-After",
        "Vary: Origin",
    )


def _problem(report: OutageReport, retry_after: int) -> dict[str, Any]:
    """The shape of every problem document of the daemon."""
    return {
        "type": "about:blank",
        "title": CODE.replace("_", " "),
        "status": 503,
        "detail": report.reason,
        "code": CODE,
        "message": report.reason,
        "error_id": report.error_id,
        "retry_after": retry_after,
    }


def _health(report: OutageReport, retry_after: int, port: int) -> dict[str, Any]:
    """The members of the daemon's own answer; what only it could tell is empty."""
    return {
        "status": "degraded",
        "reason": report.reason,
        "retry_after": retry_after,
        "error_id": report.error_id,
        "restarts": report.restarts,
        "pid": os.getpid(),
        "port": port,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "services": {},
        "system": {},
    }
