"""sd_notify: what systemd is told. Silent without NOTIFY_SOCKET; an error is logged and never fatal."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger()


class Notifier:
    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # @ stands for an abstract socket
        self.ping_every = _ping_every(environ) if self._address else None

    def send(self, *lines: str, descriptors: Sequence[int] = ()) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0)  # a full queue of systemd's must not hang the one who watches for hangs
                sock.connect(self._address)
                socket.send_fds(sock, ["\n".join(lines).encode()], descriptors)
        except OSError as error:
            log.warning("notify_failed", lines=lines, error=str(error))

    def keep(self, listener: socket.socket) -> None:
        """Have systemd hold a copy of the listener, and pass it back to whoever it starts in our place.

        FDPOLL=0, or systemd drops it as soon as poll(2) tells of an error on it (known from 246 on).
        """
        self.send("FDSTORE=1", f"FDNAME={_store_name(listener)}", "FDPOLL=0", descriptors=[listener.fileno()])

    def drop(self, listener: socket.socket) -> None:
        self.send("FDSTOREREMOVE=1", f"FDNAME={_store_name(listener)}")

    def reloading(self) -> None:
        """`Type=notify-reload` wants the moment, on the clock that systemd compares it with."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def extend(self, seconds: float) -> None:
        """What we do now (a start, a drain) may take this long from here, whatever the unit's timeouts say."""
        self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

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


def _store_name(listener: socket.socket) -> str:
    return f"http-{listener.getsockname()[1]}"  # the port, so that one listener can be dropped and another kept
