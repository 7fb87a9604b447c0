"""The one tree of errors. Every class has a stable `code`; `api/problems.py` gives each its HTTP status.

A code crosses process borders (worker to daemon, daemon to client), so `from_code` turns one back into its class.
"""

from __future__ import annotations

from typing import Any

from daemon.errors.base import ProEngineError
from daemon.errors.callers import (
    AccessTokenRequired,
    AuthUnavailable,
    InvalidToken,
    NotPermitted,
    OriginNotAllowed,
    PairingDenied,
    PairingExpired,
    PairingOff,
    SignInRefused,
    TooManyPairings,
    UsageLimitExceeded,
    WrongHost,
    WrongPairingCode,
)
from daemon.errors.migration import MigrationInterrupted, MigrationRefused, RulingsNeeded
from daemon.errors.requests import (
    BadRequest,
    BrokenImage,
    ExpectationFailed,
    HeaderTooLarge,
    IdempotencyConflict,
    ImageTooLarge,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    ResultExpired,
    ResultNotReady,
    UnsupportedFormat,
    UploadStalled,
    UploadTooLarge,
)
from daemon.errors.work import (
    Cancelled,
    DaemonUnavailable,
    DeviceFailed,
    DiskFull,
    Draining,
    IntakeUnavailable,
    OutOfMemory,
    QueueFull,
    ServiceRefused,
    ServiceUnreachable,
    SetAside,
    StoreBusy,
    StoreTooNew,
    TooManySubscribers,
    UnexpectedAnswer,
    WorkerCrashed,
    WrongSettings,
)

__all__ = [
    "AccessTokenRequired",
    "AuthUnavailable",
    "BadRequest",
    "BrokenImage",
    "Cancelled",
    "DaemonUnavailable",
    "DeviceFailed",
    "DiskFull",
    "Draining",
    "ExpectationFailed",
    "HeaderTooLarge",
    "IdempotencyConflict",
    "ImageTooLarge",
    "IntakeUnavailable",
    "InvalidToken",
    "MethodNotAllowed",
    "MigrationInterrupted",
    "MigrationRefused",
    "NotFound",
    "NotPermitted",
    "OriginNotAllowed",
    "OutOfMemory",
    "PairingDenied",
    "PairingExpired",
    "PairingOff",
    "ProEngineError",
    "QueueFull",
    "RequestTimeout",
    "ResultExpired",
    "ResultNotReady",
    "RulingsNeeded",
    "ServiceRefused",
    "ServiceUnreachable",
    "SetAside",
    "SignInRefused",
    "StoreBusy",
    "StoreTooNew",
    "TooManyPairings",
    "TooManySubscribers",
    "UnexpectedAnswer",
    "UnsupportedFormat",
    "UploadStalled",
    "UploadTooLarge",
    "UsageLimitExceeded",
    "WorkerCrashed",
    "WrongHost",
    "WrongPairingCode",
    "WrongSettings",
    "from_code",
    "meaning",
]


def _tree(root: type[ProEngineError]) -> dict[str, type[ProEngineError]]:
    return {cls.code: cls for cls in root.__subclasses__()}


_BY_CODE = _tree(ProEngineError)


def meaning(code: str) -> str:
    """What a code says, in a sentence or two; empty where Python runs without docstrings."""
    if code == ProEngineError.code:
        return "Something went wrong here that is not the caller's fault; the log has it under `error_id`."
    return " ".join((_BY_CODE[code].__doc__ or "").split())


def from_code(code: str, message: str, **details: Any) -> ProEngineError:
    """The error that another process reported as `code`; an unknown code becomes `ProEngineError` (`internal`)."""
    return _BY_CODE.get(code, ProEngineError)(message, **details)
