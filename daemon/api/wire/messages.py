"""What goes over the WebSocket."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from daemon.api.wire.account import FiguresOut, figures_out
from daemon.api.wire.base import Wire, Word
from daemon.api.wire.jobs import JobOut
from daemon.errors import BadRequest
from daemon.jobs.events import AccountEvent, News, ProgressEvent
from daemon.store.jobs import JobEvent


class AuthMessage(Wire):
    """The first message of a client whose request had no bearer; may be repeated with a fresh token."""

    type: Literal["auth"]
    token: str = Field(max_length=16_384)


class SubscribeMessage(Wire):
    """What to be told of, in place of whatever was subscribed to before."""

    type: Literal["subscribe"]
    jobs: Literal["*"] | Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=1000)] = "*"
    since: int | None = Field(
        default=None, ge=0, description="the last `seq` that was seen: what came after is told again"
    )
    store: Word | None = Field(
        default=None, description="whose `seq` that was, as `authenticated`, `snapshot` and `reset` name it"
    )


ClientMessage = Annotated[AuthMessage | SubscribeMessage, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[AuthMessage | SubscribeMessage] = TypeAdapter(ClientMessage)


class AuthenticatedMessage(Wire):
    type: Literal["authenticated"] = "authenticated"
    store: str = Field(description="names the store that `seq` counts in")


class SnapshotMessage(Wire):
    """Where things stand: first of all where no `since` was given, and after a reset."""

    type: Literal["snapshot"] = "snapshot"
    store: str
    seq: int
    jobs: list[JobOut]


class ResetMessage(Wire):
    """`since` is older than what is kept, or of another store: a snapshot follows."""

    type: Literal["reset"] = "reset"
    store: str
    seq: int


class ErrorMessage(Wire):
    type: Literal["error"] = "error"
    code: str
    message: str


class EventMessage(Wire):
    """A state change, or the newest figure of progress, which has the `seq` of the last change."""

    seq: int
    job: str
    event: Literal["queued", "started", "progress", "done", "failed", "cancelled"]
    data: dict[str, Any]


class UsageMessage(Wire):
    """What the account has used, whenever that changes, and at first where it is known."""

    type: Literal["usage"] = "usage"
    usage: FiguresOut


FROM_CLIENT: Final = (AuthMessage, SubscribeMessage)
FROM_SERVER: Final = (AuthenticatedMessage, SnapshotMessage, EventMessage, ResetMessage, UsageMessage, ErrorMessage)


def read_client_message(text: str) -> AuthMessage | SubscribeMessage:
    """Raises BadRequest where it is none that we know."""
    try:
        return CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        raise BadRequest(f"not a message: {error.errors()[0]['msg']}") from None


class EventTexts:
    """Events as they go over the wire, each written once for all who are told of it one after the other."""

    def __init__(self) -> None:
        self._last: tuple[News | None, int] = (None, 0)
        self._text = ""

    def write(self, event: News, seq: int) -> str:
        """As EventMessage or UsageMessage; `seq` is the event's own, or the last one before progress."""
        last, last_seq = self._last
        if event is not last or seq != last_seq:
            self._last, self._text = (event, seq), _text(event, seq)
        return self._text


def _text(event: News, seq: int) -> str:
    if isinstance(event, AccountEvent):
        return UsageMessage(usage=figures_out(event.figures)).model_dump_json()
    return json.dumps(_event_out(event, seq))


def _event_out(event: JobEvent | ProgressEvent, seq: int) -> dict[str, Any]:
    """Not built from EventMessage: its parts are ours already."""
    if isinstance(event, ProgressEvent):
        return {"seq": seq, "job": event.job, "event": "progress", "data": {"progress": round(event.fraction, 4)}}
    return {"seq": seq, "job": event.job, "event": event.event, "data": event.detail}
