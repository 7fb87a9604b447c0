"""Whether a user may have one more job, asked of the project and counted there in the same moment."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from daemon.accounts.answers import Meaning, meaning
from daemon.accounts.billing import PROCESSING_TYPES, BilledScale, Charge, billed_fields
from daemon.accounts.figures import AccountFigures, Period
from daemon.accounts.profile import Profiles, unexpected
from daemon.accounts.project import RETRY_SECONDS, ProjectHttp
from daemon.accounts.tokens import Tokens
from daemon.errors import AuthUnavailable, InvalidToken, NotPermitted, UsageLimitExceeded

NOT_SET_UP: Final = "the project of your account has neither our migrations nor a function of its own that decides"


@dataclass(frozen=True)
class Wanted:
    """A job to be charged."""

    job: str  # its id, which is the charge's as well
    scale: BilledScale
    source_pixels: int


class AccountLimits:
    """Of the users of one project."""

    def __init__(self, http: ProjectHttp, tokens: Tokens, profiles: Profiles, clock: Callable[[], float]) -> None:
        self._http = http
        self._tokens = tokens
        self._profiles = profiles
        self._clock = clock
        self.are_advisory = False  # the project was found without our migrations: between question and act is a race

    async def reserve(self, user: str, wanted: Wanted) -> Charge:
        """Have a job counted that is not there yet: `reserved`, or `later` where the project can only be asked.

        Raises:
            UsageLimitExceeded: it would be one too many.
            NotPermitted: the project has no profile of this user, and makes none.
            InvalidToken: the project does not take the user's token.
            AuthUnavailable: it cannot be asked; it may have counted the job all the same.
        """
        token = self._tokens.require(user)
        fields = {f"p_{name}": value for name, value in billed_fields(wanted.scale, wanted.source_pixels).items()}
        status, body = await self._http.call(
            "reserve_usage", {"p_reservation_id": charge_id(wanted.job), **fields}, token
        )
        means = meaning(status, body)
        self.are_advisory = means is Meaning.MISSING
        if means is Meaning.MISSING:
            await self._ask_the_owners(user, wanted, token)
            return "later"
        if means is Meaning.REFUSED:
            raise InvalidToken("the project does not take this access token")
        if means is not Meaning.TAKEN or not isinstance(body, Mapping):
            raise unexpected(status)
        figures = self._profiles.note(user, body.get("usage"))
        if body.get("allowed") is True:
            return "reserved"
        if body.get("reason") == "no_profile":
            raise NotPermitted("the project has no profile of yours: whoever runs it has to make one")
        raise self._exceeded(
            body.get("current_tier"), figures, wanted.scale, may_upgrade=bool(body.get("can_upgrade", True))
        )

    async def require_within(self, user: str, scale: BilledScale) -> None:
        """As `reserve`, but nothing is counted, and figures of ten seconds ago will do. Raises as that does."""
        figures = await self._profiles.current(user)
        if _spent(figures) is not None:
            raise self._exceeded(figures.tier, figures, scale, may_upgrade=True)

    async def _ask_the_owners(self, user: str, wanted: Wanted, token: str) -> None:
        """The owner's own function, of a project that has not our migrations."""
        asked = {
            "user_uuid": user,
            "processing_type_param": PROCESSING_TYPES[wanted.scale],
            "scale_factor_param": wanted.scale,
        }
        status, body = await self._http.call("enforce_subscription_limits", asked, token)
        if meaning(status, body) is Meaning.MISSING:
            raise AuthUnavailable(NOT_SET_UP, retry_after=RETRY_SECONDS)
        if meaning(status, body) is not Meaning.TAKEN or not isinstance(body, bool):
            raise unexpected(status)
        if not body:
            self._profiles.forget(user)
            figures = await self._profiles.current(user)
            raise self._exceeded(figures.tier, figures, wanted.scale, may_upgrade=True)

    def _exceeded(
        self, tier: str | None, figures: AccountFigures | None, scale: BilledScale, *, may_upgrade: bool
    ) -> UsageLimitExceeded:
        """With what a page needs to tell its user how to go on."""
        details: dict[str, Any] = {"upgrade_required": may_upgrade, "current_tier": tier}
        why = f"the tier {tier} does not allow this job ({scale})"
        spent = _spent(figures)
        if spent is not None:
            name, period = spent
            why = f"all {period.limit} jobs of this {name} are used (tier {tier}); the next begins {period.ends}"
            details["resets_at"] = period.ends
            details["retry_after"] = seconds_until(period.ends, self._clock())
        return UsageLimitExceeded(why, **details)


def _spent(figures: AccountFigures | None) -> tuple[str, Period] | None:
    """The longest period in which nothing is left."""
    periods = {"month": figures.month, "day": figures.day} if figures is not None else {}
    return next(((name, one) for name, one in periods.items() if one is not None and one.is_spent), None)


def charge_id(job: str) -> str:
    """A job's id as the project has it, which knows UUIDs."""
    return str(uuid.UUID(job))


def seconds_until(date: str, now: float) -> int:
    """From now until a date of UTC begins, at least one."""
    try:
        begins = datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return RETRY_SECONDS
    return max(int(begins - now) + 1, 1)
