"""One batch of usage events, told to the project with their user's own token, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from daemon.accounts.answers import Meaning, code_of, meaning, sentence_of
from daemon.accounts.limits import charge_id
from daemon.accounts.project import ProjectHttp
from daemon.errors import AuthUnavailable
from daemon.store.outbox import Owed

TAKEN: Final = frozenset({"inserted", "duplicate", "refunded", "not_charged"})
REFUSED: Final = "rejected"
OF_A_LOG: Final = ("processing_type", "scale_factor", "image_pixels", "processing_time_ms")


@dataclass
class Delivery:
    """What the project said: events by their numbers, and why it was not more."""

    taken: list[int] = field(default_factory=list)
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)  # with code and reason
    ended: Meaning = Meaning.TAKEN
    why: str = ""
    is_advisory: bool = False  # the project has not our migrations


async def deliver(http: ProjectHttp, device: str, events: Sequence[Owed], token: str) -> Delivery:
    """Tell of events of one user. However often it is done, each counts once: their ids are made once."""
    told = [
        {**owed.event, "event_id": charge_id(owed.job), "device_id": device, "device_seq": owed.seq} for owed in events
    ]
    try:
        status, body = await http.call("ingest_usage_events", {"p_events": told}, token)
    except AuthUnavailable as error:
        return Delivery(ended=Meaning.AGAIN, why=error.message)
    means = meaning(status, body)
    if means is Meaning.MISSING:
        return await _write_logs(http, events, token)
    if means is not Meaning.TAKEN or not isinstance(body, list):
        return Delivery(ended=Meaning.AGAIN if means is Meaning.TAKEN else means, why=_why(status, body))
    return _read(events, body)


def _read(events: Sequence[Owed], verdicts: list[Any]) -> Delivery:
    by_id = {str(one.get("event_id")): one for one in verdicts if isinstance(one, Mapping)}
    delivery = Delivery()
    for owed in events:
        verdict = by_id.get(charge_id(owed.job), {})
        if verdict.get("result") in TAKEN:
            delivery.taken.append(owed.seq)
        elif verdict.get("result") == REFUSED:
            delivery.refused[owed.seq] = (str(verdict.get("code")), str(verdict.get("message")))
        else:
            delivery.ended, delivery.why = Meaning.AGAIN, "the project says nothing of some events"
    return delivery


async def _write_logs(http: ProjectHttp, events: Sequence[Owed], token: str) -> Delivery:
    """Into the log itself, of a project that has not our migrations: jobs that were done, one by one, for one that
    cannot be taken would hold back the others. What tells a line that was written already is missing there, so a lost
    answer makes two of one.
    """
    delivery = Delivery(is_advisory=True)
    for owed in events:
        if owed.event["status"] == "done":
            line = {"user_id": owed.owner, **{name: owed.event[name] for name in OF_A_LOG}}
            try:
                status, body = await http.post("/rest/v1/usage_logs", line, token)
            except AuthUnavailable as error:
                delivery.ended, delivery.why = Meaning.AGAIN, error.message
                return delivery
            means = meaning(status, body)
            if means is Meaning.DATA:
                delivery.refused[owed.seq] = (code_of(body), sentence_of(body))
                continue
            if means is not Meaning.TAKEN:
                delivery.ended, delivery.why = means, _why(status, body)
                return delivery
        delivery.taken.append(owed.seq)
    return delivery


def _why(status: int, body: Any) -> str:
    return f"the project answers {status}: {code_of(body)} {sentence_of(body)}".rstrip(": ")
