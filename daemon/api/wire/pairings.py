"""Pages that ask to be let in, those that were, and how the service's own page gets in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from daemon.accounts.pairing_requests import PairingRequest
from daemon.api.wire.base import Timestamp, Wire, Word, timestamp
from daemon.store.pairings import Pairing


class PairingAsk(Wire):
    name: Annotated[str, StringConstraints(max_length=200)] = Field(
        default="", description="what the page calls itself; the user sees it beside the Origin"
    )


class PairingAsked(Wire):
    id: str
    code: str = Field(description="to be shown by the page, so that the user can compare", examples=["K7M-2QX"])
    secret: str = Field(description="claims the token; the page keeps it to itself")
    expires_at: Timestamp
    poll_seconds: float = Field(description="how often to ask for the token where `Prefer: wait=N` is not used")


class ClaimAsk(Wire):
    secret: Word


class PairingPending(Wire):
    state: Literal["pending"] = "pending"
    expires_at: Timestamp
    poll_seconds: float


class PairingToken(Wire):
    token: str = Field(description="a bearer, for requests of this Origin alone; it is told this one time")
    origin: str
    expires_at: Timestamp | None = Field(description="null: it works until it is revoked")


class ApproveAsk(Wire):
    code: Word | None = Field(default=None, description="the one that the user saw; another request is not approved")


class PairingOut(Wire):
    """A page that asks, or one that was let in."""

    id: str
    origin: str
    name: str
    state: Literal["pending", "approved", "granted", "denied", "revoked"] = Field(
        description="`approved`: the page has yet to come for its token"
    )
    code: str | None = Field(description="while it asks")
    created_at: Timestamp
    expires_at: Timestamp | None = Field(description="while it asks")
    last_used_at: Timestamp | None = Field(description="to the minute")


class PairingsOut(Wire):
    """Oldest first."""

    pending: list[PairingOut]
    granted: list[PairingOut]


class LoginCode(Wire):
    code: str = Field(description="goes behind the `#` of the page's address")
    expires_at: Timestamp


class LoginAsk(Wire):
    code: Word


class LoginToken(Wire):
    token: str


def request_out(request: PairingRequest, expires_at: float) -> PairingOut:
    return PairingOut(
        id=request.id,
        origin=request.origin,
        name=request.name,
        state=request.answer.value,
        code=request.code,
        created_at=timestamp(request.created_at),
        expires_at=timestamp(expires_at),
        last_used_at=None,
    )


def pairing_out(pairing: Pairing) -> PairingOut:
    return PairingOut(
        id=pairing.id,
        origin=pairing.origin,
        name=pairing.name,
        state="revoked" if pairing.revoked_at is not None else "granted",
        code=None,
        created_at=timestamp(pairing.created_at),
        expires_at=None,
        last_used_at=timestamp(pairing.last_used_at) if pairing.last_used_at is not None else None,
    )
