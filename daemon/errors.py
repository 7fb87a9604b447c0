"""The one tree of errors. Every class has a stable `code`; `api/problems.py` gives each its HTTP status.

A code crosses process borders (worker to daemon, daemon to client), so `from_code` turns one back into its class.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ProEngineError(Exception):
    """Something a caller can be told: a stable code, a sentence, and further members for the problem document."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequest(ProEngineError):
    """The request cannot be understood; the sentence names what is wrong with it."""

    code = "bad_request"


class AccessTokenRequired(ProEngineError):
    """The route wants a bearer, and there was none."""

    code = "access_token_required"


class InvalidToken(ProEngineError):
    """The token or ticket is not one of this service's, or not any more."""

    code = "invalid_token"


class NotPermitted(ProEngineError):
    """It is known who asks, and that is not enough: administration needs the machine's own token."""

    code = "not_permitted"


class OriginNotAllowed(ProEngineError):
    """The page that asks is not on the list of those that may."""

    code = "origin_not_allowed"


class WrongHost(ProEngineError):
    """The request names a host that this service is not: what a rebound name looks like."""

    code = "wrong_host"


class NotFound(ProEngineError):
    """There is no such thing, or it is somebody else's, which looks the same."""

    code = "not_found"


class MethodNotAllowed(ProEngineError):
    """The path is there, but not for this method; `Allow` lists those that it takes."""

    code = "method_not_allowed"


class ResultNotReady(ProEngineError):
    """The job is not done, so there is no picture; `state` says how it stands."""

    code = "result_not_ready"


class ResultExpired(ProEngineError):
    """The result was kept for its time and is gone; ask for it again."""

    code = "result_expired"


class IdempotencyConflict(ProEngineError):
    """The `Idempotency-Key` was used for another request."""

    code = "idempotency_conflict"


class UploadTooLarge(ProEngineError):
    """The upload has more bytes than are taken."""

    code = "upload_too_large"


class UnsupportedFormat(ProEngineError):
    """The file is no picture of a format that can be read."""

    code = "unsupported_format"


class ImageTooLarge(ProEngineError):
    """The picture, or what it would become, has more pixels than the limits or the format allow."""

    code = "image_too_large"


class BrokenImage(ProEngineError):
    """The file begins like a picture and cannot be read as one."""

    code = "broken_image"


class QueueFull(ProEngineError):
    """As many jobs wait as may; try again after `Retry-After`."""

    code = "queue_full"


class Draining(ProEngineError):
    """The service is stopping and takes no new work; the next one answers after `Retry-After`."""

    code = "draining"


class DaemonUnavailable(ProEngineError):
    """The service failed again and again, and the supervisor answers in its place; the next try is at `Retry-After`."""

    code = "daemon_unavailable"


class DiskFull(ProEngineError):
    """There is no room: the disk is full, or results that nobody has fetched fill the cache."""

    code = "disk_full"


class StoreBusy(ProEngineError):
    """Another program holds the store's file; what was to be written can be tried again after `Retry-After`."""

    code = "store_busy"


class IntakeUnavailable(ProEngineError):
    """The process that reads the headers of uploads does not start; try again after `Retry-After`."""

    code = "intake_unavailable"


class WorkerCrashed(ProEngineError):
    """Every worker that tried this picture died of it."""

    code = "worker_crashed"


class OutOfMemory(ProEngineError):
    """The picture does not fit into this machine's memory."""

    code = "out_of_memory"


class DeviceFailed(ProEngineError):
    """A device gave an error, was lost, or produced a picture that is not to be trusted."""

    code = "device_failed"


class Cancelled(ProEngineError):
    """The job was cancelled."""

    code = "cancelled"


class WrongSettings(ProEngineError):
    """A setting cannot be used; the sentence names it."""

    code = "wrong_settings"


class StoreTooNew(ProEngineError):
    """A later version of Pro Engine has written the store."""

    code = "store_too_new"


class ServiceUnreachable(ProEngineError):
    """No service answers where one was looked for."""

    code = "service_unreachable"


class ServiceRefused(ProEngineError):
    """`pro-engine service` does not do what was asked; the sentence says what to do instead."""

    code = "service_refused"

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
