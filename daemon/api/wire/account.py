"""What an account has used and may use, as its user sees it."""

from __future__ import annotations

from pydantic import Field

from daemon.accounts.figures import AccountFigures, Period
from daemon.api.wire.base import Timestamp, Wire, timestamp
from daemon.store.outbox import OutboxCensus, Refused


class PeriodOut(Wire):
    """Jobs of a day or a month of UTC."""

    used: int
    limit: int | None = Field(description="null: none")
    ends: str = Field(description="the date on which the next one begins")


class FiguresOut(Wire):
    """As the project counts. Without Pro Engine's migrations it tells a tier at most."""

    current_tier: str | None
    day: PeriodOut | None
    month: PeriodOut | None
    as_of: Timestamp


class RefusedOut(Wire):
    """A job whose usage the project has refused for good: kept, and told again once somebody says so."""

    job: str
    code: str = Field(description="an SQLSTATE")
    reason: str
    at: Timestamp


class UsageOut(FiguresOut):
    waiting: int = Field(description="jobs that are over and that the project has not been told of yet")
    oldest: Timestamp | None = Field(description="since when the first of them waits")
    refused: list[RefusedOut] = Field(description="the newest; `refused_count` of them are there")
    refused_count: int


class AgainOut(Wire):
    waiting: int = Field(description="refused jobs that are told again now")


def figures_out(figures: AccountFigures) -> FiguresOut:
    return FiguresOut(
        current_tier=figures.tier,
        day=_period_out(figures.day),
        month=_period_out(figures.month),
        as_of=timestamp(figures.as_of),
    )


def usage_out(figures: AccountFigures, census: OutboxCensus, refused: list[Refused]) -> UsageOut:
    return UsageOut(
        **dict(figures_out(figures)),
        waiting=census.waiting,
        oldest=timestamp(census.oldest) if census.oldest is not None else None,
        refused=[
            RefusedOut(job=one.job, code=one.code, reason=one.why, at=timestamp(one.created_at)) for one in refused
        ],
        refused_count=census.refused,
    )


def _period_out(period: Period | None) -> PeriodOut | None:
    return PeriodOut(used=period.used, limit=period.limit, ends=period.ends) if period is not None else None
