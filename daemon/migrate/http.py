"""HTTP to the project with its secret key: one pool of connections, answers as they come, nothing tried twice here."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from daemon.accounts.project import tls_for
from daemon.migrate.destination import Destination
from daemon.migrate.patience import LOST, Answer

SECONDS: Final = ClientTimeout(total=120.0, sock_connect=10.0)  # a large batch on a small project takes its time


class Http:
    """From `opened_http`."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self.url = url
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Once. Without redirects: a secret key goes nowhere else."""
        try:
            async with self._session.request(
                method, self.url + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                text, head = await response.read(), response.headers
        except (ClientError, TimeoutError, OSError):
            return Answer(LOST)
        total = head.get("X-Total-Count", "")
        return Answer(
            response.status,
            _json(text),
            _seconds(head.get("Retry-After", ""), time.time()),
            int(total) if total.isdigit() else None,
        )


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _seconds(retry_after: str, now: float) -> float | None:
    """From now; it comes as a number or as a date."""
    if retry_after.isdigit():
        return float(retry_after)
    try:
        moment: datetime = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now)


@contextlib.asynccontextmanager
async def opened_http(destination: Destination) -> AsyncIterator[Http]:
    headers = {"apikey": destination.key, "Authorization": f"Bearer {destination.key}"}
    connector = TCPConnector(ssl=await tls_for(destination.url), limit=0)  # who asks has bounds of its own
    async with ClientSession(headers=headers, timeout=SECONDS, connector=connector) as session:
        yield Http(destination.url, session)
