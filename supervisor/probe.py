"""Does the daemon answer? Asks `GET /health` over the real socket, as a client would.

The heartbeat tells that its loop turns. It does not tell that connections are accepted: a daemon without a descriptor
left beats on and serves nobody. What it answers is its own business: 503 while it drains or starts is an answer too.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from supervisor.address import reachable
from supervisor.heartbeat import LATENESS_TOLERATED

log = structlog.get_logger()

STATUS_LINE = re.compile(rb"HTTP/\d\.\d \d{3}[ \r\n]")
MOST_READ = 1 << 16
# We could not ask: no descriptor, no memory or no port of our own. A restart of the daemon would not help.
OUR_OWN_TROUBLE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    every: float = 10.0  # seconds from the start of one look to the next
    deadline: float = 5.0  # for connecting and the answer together
    strikes: int = 3  # looks in a row without an answer
    lateness: float = LATENESS_TOLERATED  # above this it was we who did not run


class HealthProbe:
    """Looks until it has failed, which it says once, or is cancelled."""

    def __init__(self, host: str, port: int, timing: ProbeTiming, *, on_failed: Callable[[str], None]) -> None:
        host = reachable(host)
        self._address = (host, port)
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._timing = timing
        self._on_failed = on_failed
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._request = f"GET /health HTTP/1.1\r\nHost: {shown}\r\nConnection: close\r\n\r\n".encode()

    async def run(self) -> None:
        timing, clock = self._timing, asyncio.get_running_loop().time
        strikes = 0
        look_at = clock() + timing.every
        while True:
            await asyncio.sleep(look_at - clock())
            began = clock()
            failure = await self._look()
            # Late, we were stopped or starved, and so was the daemon, most likely: that it is silent tells nothing yet.
            late = began - look_at > timing.lateness or clock() - began > timing.deadline + timing.lateness
            look_at = max(began + timing.every, clock())  # a look that took longer makes no later one late
            if failure is None:
                strikes = 0
            elif not late:
                strikes += 1
                log.warning("daemon_does_not_answer", reason=failure, strikes=strikes)
            if strikes >= timing.strikes:
                self._on_failed(f"{failure}, {strikes} times in a row")
                return

    async def _look(self) -> str | None:
        """Why it counts as no answer, or None."""
        received = bytearray()
        failure = "closed the connection without an answer to GET /health"
        try:
            async with asyncio.timeout(self._timing.deadline):
                await self._ask(received)
        except TimeoutError:
            failure = f"no answer to GET /health within {self._timing.deadline:g} s"
        except OSError as error:
            if error.errno in OUR_OWN_TROUBLE:
                log.warning("health_not_asked", error=str(error))
                return None
            # asyncio puts a text of its own, with the address, into the place of the usual one
            failure = f"no answer to GET /health: {os.strerror(error.errno) if error.errno else error}"
        if STATUS_LINE.match(received):
            return None
        return "an answer to GET /health that is not HTTP" if received else failure

    async def _ask(self, received: bytearray) -> None:
        """To the end of the answer, so that the daemon is not reset while it writes; what came until then counts."""
        loop = asyncio.get_running_loop()
        with socket.socket(self._family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, self._address)
            await loop.sock_sendall(sock, self._request)
            while len(received) < MOST_READ and (chunk := await loop.sock_recv(sock, MOST_READ)):
                received += chunk
