"""Which errors each route may answer with: its own, those that come with who may ask, and those of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from daemon.api.problems import STATUS
from daemon.api.route import Access, Route
from daemon.errors import (
    AccessTokenRequired,
    AuthUnavailable,
    BadRequest,
    BrokenImage,
    DaemonUnavailable,
    DeviceFailed,
    DiskFull,
    ExpectationFailed,
    HeaderTooLarge,
    ImageTooLarge,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    OriginNotAllowed,
    OutOfMemory,
    ProEngineError,
    RequestTimeout,
    UnsupportedFormat,
    WorkerCrashed,
    WrongHost,
)

Errors = tuple[type[ProEngineError], ...]
OF_ALL: Final[Errors] = (
    *(BadRequest, RequestTimeout, HeaderTooLarge, ExpectationFailed),
    *(OriginNotAllowed, WrongHost, DaemonUnavailable, ProEngineError),
)
BY_ACCESS: Final[Mapping[Access, Errors]] = {
    Access.OPEN: (),
    Access.CALLER: (AccessTokenRequired, InvalidToken, AuthUnavailable),
    Access.ACCOUNT: (AccessTokenRequired, InvalidToken, AuthUnavailable),
    Access.TICKET: (AccessTokenRequired, InvalidToken, AuthUnavailable),
    Access.ADMIN: (AccessTokenRequired, InvalidToken, AuthUnavailable, NotPermitted),
    Access.OWN_WAY: (),  # what is wrong is said over the socket
}
OF_NO_ROUTE: Final[Errors] = (NotFound, MethodNotAllowed)  # what a path or a method gets that leads nowhere
OF_JOBS: Final[Errors] = (  # what a job may fail with, which its `error` says
    *(BrokenImage, UnsupportedFormat, ImageTooLarge),
    *(OutOfMemory, DeviceFailed, WorkerCrashed, DiskFull, ProEngineError),
)


def failures_of(route: Route) -> dict[int, list[str]]:
    """The codes by their status, in the order of both."""
    found: dict[int, set[str]] = {}
    for error in (*OF_ALL, *BY_ACCESS[route.access], *route.errors):
        found.setdefault(STATUS[error.code], set()).add(error.code)
    unavailable = STATUS[DaemonUnavailable.code]
    if unavailable in route.answers:  # `/health`, where the supervisor answers in the form of the daemon
        found[unavailable].discard(DaemonUnavailable.code)
    return {status: sorted(codes) for status, codes in sorted(found.items()) if codes}
