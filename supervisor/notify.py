"""sd_notify: what systemd is told. Silent without NOTIFY_SOCKET; an error is logged and never fatal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger()


class Notifier:
    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # @ stands for an abstract socket
        self.ping_every = _ping_every(environ) if self._address else None

    def send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0)  # a full queue of systemd's must not hang the one who watches for hangs
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("notify_failed", lines=lines, error=str(error))

    async def ping(self) -> None:
        """Ping the watchdog for ever. Coming from our loop, a ping says that the loop turns; the daemon is our care."""
        while self.ping_every is not None:
            self.send("WATCHDOG=1")
            await asyncio.sleep(self.ping_every)


def _ping_every(environ: Mapping[str, str]) -> float | None:
    """Half of the interval that systemd wants, in seconds; None when it wants none, or from another process."""
    usec = environ.get("WATCHDOG_USEC", "")
    wanted_from = environ.get("WATCHDOG_PID", str(os.getpid()))
    if not usec.isdigit() or int(usec) == 0 or wanted_from != str(os.getpid()):
        return None
    return int(usec) / 1_000_000 / 2
