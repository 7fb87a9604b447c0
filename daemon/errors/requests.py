"""What is asked, and the picture that comes with it."""

from __future__ import annotations

from daemon.errors.base import ProEngineError


class BadRequest(ProEngineError):
    """The request cannot be understood; the sentence names what is wrong with it."""

    code = "bad_request"


class NotFound(ProEngineError):
    """There is no such thing, or it is somebody else's, which looks the same."""

    code = "not_found"


class MethodNotAllowed(ProEngineError):
    """The path is there, but not for this method; `Allow` lists those that it takes."""

    code = "method_not_allowed"


class ExpectationFailed(ProEngineError):
    """Of all expectations only `100-continue` is understood, and only where a picture is taken."""

    code = "expectation_failed"


class ResultNotReady(ProEngineError):
    """The job is not done, so there is no picture; `state` says how it stands."""

    code = "result_not_ready"


class ResultExpired(ProEngineError):
    """The result was kept for its time and is gone; ask for it again."""

    code = "result_expired"


class IdempotencyConflict(ProEngineError):
    """The `Idempotency-Key` was used for another request."""

    code = "idempotency_conflict"


class RequestTimeout(ProEngineError):
    """The head of a request did not come in time."""

    code = "request_timeout"


class HeaderTooLarge(ProEngineError):
    """A line of the request's head is too long, or there are too many."""

    code = "header_too_large"


class UploadStalled(ProEngineError):
    """A sender that brings next to nothing, or is gone without a word."""

    code = "upload_stalled"


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
