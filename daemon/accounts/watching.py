"""Hearing from the project when an account changes that somebody looks at: another tier, a job on another machine.

By Supabase Realtime where the project has it (Phoenix channels over a WebSocket, protocol 1.0.0); else it is asked once
a minute. Rejected: the `realtime` package, which writes access tokens to the log and leaves its tasks to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import structlog

from daemon.accounts.project import ProjectHttp, ProjectSocket
from daemon.accounts.tokens import Tokens
from daemon.errors import AuthUnavailable

PATH: Final = "/realtime/v1/websocket"
ASK_SECONDS: Final = 60.0
BEAT_SECONDS: Final = 25.0  # within the minute after which the server ends a connection
WATCHED: Final = (("user_profiles", "id"), ("usage_counters", "user_id"))  # with the column that has the user
ENDED: Final = frozenset({"phx_error", "phx_close"})
log = structlog.get_logger(__name__)


class Watching:
    """Keeps one ear on each account that is watched, however many watch it."""

    def __init__(self, http: ProjectHttp, tokens: Tokens, changed: Callable[[str], Awaitable[None]]) -> None:
        """`changed` looks at an account anew; it raises nothing."""
        self._http = http
        self._tokens = tokens
        self._changed = changed
        self._watchers: Counter[str] = Counter()
        self._ears: dict[str, asyncio.Task[None]] = {}

    @contextlib.contextmanager
    def watch(self, user: str) -> Iterator[None]:
        """Within it, changes of this account are heard of."""
        self._watchers[user] += 1
        if user not in self._ears:
            self._ears[user] = asyncio.create_task(self._hear(user))
        try:
            yield
        finally:
            self._watchers[user] -= 1
            if not self._watchers[user]:
                del self._watchers[user]
                self._ears.pop(user).cancel()

    async def close(self) -> None:
        ears = list(self._ears.values())
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)

    async def _hear(self, user: str) -> None:
        await self._changed(user)
        while True:
            token = self._tokens.of(user)
            if token is not None:
                with contextlib.suppress(AuthUnavailable):  # out of reach, or without Realtime
                    async with self._http.socket(PATH) as socket:
                        await self._listen(socket, user, token)
            await asyncio.sleep(ASK_SECONDS)
            await self._changed(user)

    async def _listen(self, socket: ProjectSocket, user: str, token: str) -> None:
        """Until the connection ends, or the project does not let us listen."""
        topic = f"realtime:account:{user}"
        await socket.send(_join(topic, user, token))
        while True:
            message = await socket.receive(BEAT_SECONDS)
            if message is None:
                await socket.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "beat"})
                fresh = self._tokens.of(user)
                if fresh is not None and fresh != token:
                    token = fresh
                    payload = {"access_token": token}
                    await socket.send({"topic": topic, "event": "access_token", "payload": payload, "ref": "token"})
            elif message.get("topic") == topic and _is_end(message):
                log.info("account_not_heard", reason=str(message.get("payload"))[:200])
                return
            elif message.get("event") == "postgres_changes":
                await self._changed(user)


def _join(topic: str, user: str, token: str) -> dict[str, Any]:
    changes = [
        {"event": "*", "schema": "public", "table": table, "filter": f"{column}=eq.{user}"} for table, column in WATCHED
    ]
    config = {"broadcast": {"ack": False, "self": False}, "presence": {"key": ""}, "postgres_changes": changes}
    payload = {"config": {**config, "private": False}, "access_token": token}
    return {"topic": topic, "event": "phx_join", "payload": payload, "ref": "join", "join_ref": "join"}


def _is_end(message: dict[str, Any]) -> bool:
    """Whether the channel is closed, or was never opened."""
    payload = message.get("payload")
    status = payload.get("status") if isinstance(payload, dict) else None
    return message.get("event") in ENDED or (message.get("event") in {"phx_reply", "system"} and status == "error")
