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
    code = "bad_request"


class AccessTokenRequired(ProEngineError):
    code = "access_token_required"


class InvalidToken(ProEngineError):
    code = "invalid_token"


class NotPermitted(ProEngineError):
    """It is known who asks, and that is not enough: administration needs the machine's own token."""

    code = "not_permitted"


class OriginNotAllowed(ProEngineError):
    code = "origin_not_allowed"


class PairingOff(ProEngineError):
    code = "pairing_off"


class PairingDenied(ProEngineError):
    code = "pairing_denied"


class PairingExpired(ProEngineError):
    """There is no such request for access any more: it is too old, or was answered already, or there never was one."""

    code = "pairing_expired"


class WrongPairingCode(ProEngineError):
    """The request that was to be approved is not the one whose code was seen."""

    code = "wrong_pairing_code"


class TooManyPairings(ProEngineError):
    code = "too_many_pairings"


class WrongHost(ProEngineError):
    code = "wrong_host"


class NotFound(ProEngineError):
    code = "not_found"


class MethodNotAllowed(ProEngineError):
    code = "method_not_allowed"


class ResultNotReady(ProEngineError):
    code = "result_not_ready"


class ResultExpired(ProEngineError):
    code = "result_expired"


class IdempotencyConflict(ProEngineError):
    code = "idempotency_conflict"


class RequestTimeout(ProEngineError):
    """The head of a request did not come in time."""

    code = "request_timeout"


class HeaderTooLarge(ProEngineError):
    code = "header_too_large"


class UploadStalled(ProEngineError):
    """A sender that brings next to nothing, or is gone without a word."""

    code = "upload_stalled"


class UploadTooLarge(ProEngineError):
    code = "upload_too_large"


class UnsupportedFormat(ProEngineError):
    code = "unsupported_format"


class ImageTooLarge(ProEngineError):
    code = "image_too_large"


class BrokenImage(ProEngineError):
    code = "broken_image"


class QueueFull(ProEngineError):
    code = "queue_full"


class TooManySubscribers(ProEngineError):
    code = "too_many_subscribers"


class Draining(ProEngineError):
    code = "draining"


class DiskFull(ProEngineError):
    code = "disk_full"


class StoreBusy(ProEngineError):
    """Another program holds the store's file; what was to be written can be tried again."""

    code = "store_busy"


class IntakeUnavailable(ProEngineError):
    code = "intake_unavailable"


class WorkerCrashed(ProEngineError):
    code = "worker_crashed"


class OutOfMemory(ProEngineError):
    code = "out_of_memory"


class DeviceFailed(ProEngineError):
    """A device gave an error, was lost, or produced a picture that is not to be trusted."""

    code = "device_failed"


class Cancelled(ProEngineError):
    code = "cancelled"


class WrongSettings(ProEngineError):
    code = "wrong_settings"


class StoreTooNew(ProEngineError):
    code = "store_too_new"


class ServiceUnreachable(ProEngineError):
    code = "service_unreachable"


class UnexpectedAnswer(ProEngineError):
    """What answers speaks another language than a service of ours: another program, or a proxy on the way."""

    code = "unexpected_answer"


class ServiceRefused(ProEngineError):
    """`pro-engine service` does not do what was asked; the sentence says what to do instead."""

    code = "service_refused"

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _tree(root: type[ProEngineError]) -> dict[str, type[ProEngineError]]:
    return {cls.code: cls for cls in root.__subclasses__()}


_BY_CODE = _tree(ProEngineError)


def from_code(code: str, message: str, **details: Any) -> ProEngineError:
    """The error that another process reported as `code`; an unknown code becomes `ProEngineError` (`internal`)."""
    return _BY_CODE.get(code, ProEngineError)(message, **details)
