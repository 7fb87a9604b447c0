"""A user who has signed in on this machine, for its command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

SPARE_SECONDS: Final = 60.0  # before its end a token is renewed


@dataclass(frozen=True)
class Session:
    """What a project gave her. A refresh token is good once."""

    url: str  # of the project
    user: str
    email: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float  # of the access token, in seconds since the epoch

    def is_good_at(self, now: float) -> bool:
        return now < self.expires_at - SPARE_SECONDS

    def as_text(self) -> str:
        return json.dumps(asdict(self))


def from_text(text: str) -> Session | None:
    """None for what is none."""
    try:
        found = json.loads(text)
        return Session(**{**found, "expires_at": float(found["expires_at"])})
    except (ValueError, TypeError, KeyError):
        return None


def from_answer(url: str, answer: Any, now: float) -> Session | None:
    """Of what the project answers to whoever signs in; None where it is none."""
    try:
        user: Mapping[str, Any] = answer["user"]
        return Session(
            url=url,
            user=str(user["id"]),
            email=str(user.get("email") or ""),
            access_token=str(answer["access_token"]),
            refresh_token=str(answer["refresh_token"]),
            expires_at=now + float(answer["expires_in"]),  # by our own clock: theirs may differ
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
