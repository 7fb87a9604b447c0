"""A fake of how a project counts jobs: what our migrations do, in the memory of the test."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from aiohttp import web

MISSING = {"code": "PGRST202", "message": "Could not find the function in the schema cache"}
FUNCTIONS = frozenset({"reserve_usage", "ingest_usage_events", "my_usage", "enforce_subscription_limits"})


class FakeCounting:
    """`functions` are those that the project has. `states` are of charges, by user and id. Events whose id is in
    `poison` are refused. `owner_says` is what the owner's own function answers.
    """

    def __init__(self) -> None:
        self.functions = set(FUNCTIONS)
        self.limit: int | None = 10
        self.tier = "free"
        self.can_upgrade = True
        self.no_profile = False
        self.owner_says = True
        self.states: dict[tuple[str, str], str] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []  # events with their users, told again or not
        self.batches: list[int] = []
        self.logs: list[dict[str, Any]] = []
        self.poison: set[str] = set()
        self.answer_with: tuple[int, Any] | None = None  # in place of every answer
        self.silent_about = 0  # verdicts that are left out

    def used(self, user: str) -> int:
        return sum(1 for (whose, _), state in self.states.items() if whose == user and state != "refunded")

    def usage(self, user: str) -> dict[str, Any]:
        day = {"used": self.used(user), "limit": self.limit, "ends": "2099-01-01"}
        return {"current_tier": self.tier, "day": day, "month": {**day, "limit": None}}

    def call(self, function: str, user: str, arguments: dict[str, Any]) -> web.Response:
        if self.answer_with is not None:
            return web.json_response(self.answer_with[1], status=self.answer_with[0])
        if function not in self.functions:
            return web.json_response(MISSING, status=404)
        return web.json_response(getattr(self, f"_{function}")(user, arguments))

    def _my_usage(self, user: str, _: dict[str, Any]) -> Any:
        return self.usage(user)

    def _enforce_subscription_limits(self, _user: str, _: dict[str, Any]) -> bool:
        return self.owner_says

    def _reserve_usage(self, user: str, arguments: dict[str, Any]) -> Any:
        charge = str(uuid.UUID(arguments["p_reservation_id"]))
        if self.no_profile:
            return {"allowed": False, "reason": "no_profile", "current_tier": None}
        if (user, charge) not in self.states:
            if self.limit is not None and self.used(user) >= self.limit:
                more = {"can_upgrade": self.can_upgrade, "usage": self.usage(user)}
                return {"allowed": False, "reason": "limit", "current_tier": self.tier, **more}
            self.states[user, charge] = "reserved"
        return {"allowed": True, "state": "reserved", "current_tier": self.tier, "usage": self.usage(user)}

    def _ingest_usage_events(self, user: str, arguments: dict[str, Any]) -> Any:
        events = arguments["p_events"]
        self.batches.append(len(events))
        verdicts = [{"event_id": event["event_id"], **self._take(user, event)} for event in events]
        return verdicts[: len(verdicts) - self.silent_about]

    def _take(self, user: str, event: dict[str, Any]) -> dict[str, str]:
        self.told.append((user, event))
        known = (user, event["event_id"])
        if event["event_id"] in self.poison:
            return {"result": "rejected", "code": "23514", "message": "it violates a check"}
        state = self.states.get(known)
        if state is None:
            if event["status"] != "done":
                return {"result": "not_charged"}
            self.states[known] = "committed"
            return {"result": "inserted"}
        if state != "reserved":
            return {"result": "duplicate"}
        refunded = event["status"] != "done" and event["refund"]
        self.states[known] = "refunded" if refunded else "committed"
        return {"result": "refunded" if refunded else "inserted"}

    def write_log(self, user: str, line: dict[str, Any]) -> web.Response:
        assert line["user_id"] == user
        self.logs.append(line)
        return web.Response(status=201)

    def charges(self, state: str) -> Counter[str]:
        """How many of each user are in it."""
        return Counter(user for (user, _), is_now in self.states.items() if is_now == state)
