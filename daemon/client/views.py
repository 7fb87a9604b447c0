"""What comes back from a service, as values.

A later service may say more than is known here: that stays in `raw` and `data`, and its new states and kinds of events
pass through. An earlier one may say less: what is missing has the member's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from daemon.errors import Cancelled, ProEngineError, ResultNotReady, UnexpectedAnswer, from_code

OVER: Final = frozenset({"done", "failed", "cancelled"})
KINDS: Final = {"running": "started"}  # elsewhere an event is named for the state it leads to


@dataclass(frozen=True)
class Failure:
    """Why a job failed: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as its owner sees it at one moment. Sizes are in pixels, `stages` in milliseconds, times are in UTC."""

    id: str
    state: str  # queued, running, done, failed, cancelled
    progress: float = 0.0  # 0 to 1
    name: str = ""
    model: str = ""
    format: str = ""
    priority: str = ""
    client: str = ""
    width: int = 0
    height: int = 0
    output_width: int = 0
    output_height: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    restarts: int = 0
    cache: str | None = None  # hit or miss, once it is done
    device: str | None = None
    stages: Mapping[str, float] | None = field(default=None, hash=False)
    result_bytes: int | None = None
    result_url: str | None = None  # a path; needs no bearer for ten minutes
    error: Failure | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as it came

    @property
    def is_over(self) -> bool:
        """Whether its state will not change any more; of a later service's states too."""
        return self.state in OVER or self.finished_at is not None

    def require_done(self) -> None:
        """Raises the job's own error where it failed, Cancelled, or ResultNotReady while it is not over."""
        if self.state == "done":
            return
        if self.error is not None:
            raise known_error(self.error.code, self.error.message)
        if self.state == "cancelled":
            raise Cancelled("the job was cancelled")
        raise ResultNotReady(f"the job is {self.state}", state=self.state)


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job."""

    seq: int  # go on from here with `since`
    job_id: str
    kind: str  # queued, started, progress, done, failed, cancelled
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)
    from_snapshot: bool = False  # read off the job's state, because the event itself was missed or lay before

    @property
    def is_over(self) -> bool:
        """Whether it is the job's last one."""
        return self.kind in OVER

    @property
    def progress(self) -> float | None:
        """0 to 1; None for a change of state."""
        return float(self.data["progress"]) if self.kind == "progress" else None


_TIMES: Final = ("created_at", "started_at", "finished_at")
_MEMBERS: Final = frozenset(member.name for member in fields(JobView)) - {"raw", "error", *_TIMES}


def read_job(body: Mapping[str, Any]) -> JobView:
    """A job from its JSON.

    Raises:
        UnexpectedAnswer: it is none.
    """
    try:
        values: dict[str, Any] = {name: body[name] for name in _MEMBERS & body.keys()}
        values |= {name: datetime.fromisoformat(body[name]) for name in _TIMES if body.get(name)}
        if body.get("error"):
            values["error"] = Failure(str(body["error"]["code"]), str(body["error"].get("message", "")))
        values |= {"id": str(body["id"]), "state": str(body["state"])}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswer(f"the service answered what is no job: {error!r}") from error
    return JobView(**values, raw=body)


def event_of(job: JobView, seq: int) -> JobEvent:
    """The event that led to the state in which a job was seen, as the service would have told it."""
    data: dict[str, Any] = {"state": job.state}
    if job.attempts or job.restarts:
        data |= {"attempts": job.attempts, "restarts": job.restarts}
    if job.state == "done":
        data |= {"cached": job.cache == "hit", "device": job.device, "bytes": job.result_bytes, "stages": job.stages}
    if job.error is not None:
        data |= {"code": job.error.code, "message": job.error.message}
    return JobEvent(seq, job.id, KINDS.get(job.state, job.state), data, from_snapshot=True)


def known_error(code: str, message: str, **details: Any) -> ProEngineError:
    """As `from_code`; the code of a later service's error is kept in the details."""
    error = from_code(code, message, **details)
    if error.code != code:
        error.details["code"] = code
    return error
