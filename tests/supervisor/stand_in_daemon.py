"""A stand-in for the daemon: a small asyncio HTTP server that keeps the supervisor's contract, and breaks it on order.

STAND_IN (a comma list) is what it does wrong from the start, and so is the text of the file that STAND_IN_FILE names,
which can change between two lives; STAND_IN_REPORT is a FIFO it writes one line to per event.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WRONG = set(os.environ.get("STAND_IN", "").split(","))
if changing := os.environ.get("STAND_IN_FILE"):
    with contextlib.suppress(FileNotFoundError):
        WRONG |= set(Path(changing).read_text().split(","))
BEAT_EVERY = float(os.environ.get("STAND_IN_BEAT_EVERY", "0.2"))
LISTENER, LIFELINE, HEARTBEAT = (
    int(os.environ[f"PRO_ENGINE_{name}"]) for name in ("LISTEN_FDS", "LIFELINE_FD", "HEARTBEAT_FD")
)
LIST_DESCRIPTORS = """
import json, os
found = {}
for fd in os.listdir("/proc/self/fd"):
    try: found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError: pass
print(json.dumps(found))
"""


def report(line: str) -> None:
    if path := os.environ.get("STAND_IN_REPORT"):
        with contextlib.suppress(OSError):  # the test is over, and nobody reads any more
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, f"{line}\n".encode())
            os.close(fd)


class StandIn:
    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.lifeline_ended = asyncio.Event()
        self.in_flight: set[asyncio.Task[None]] = set()
        self.stops = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        if "ignore_term" in WRONG:
            signal.signal(signal.SIGTERM, lambda *_: report("term_ignored"))
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        elif "stop_when_told_twice" in WRONG:
            loop.add_signal_handler(signal.SIGTERM, self.count_stops)
            loop.add_signal_handler(signal.SIGINT, self.count_stops)
        else:
            loop.add_signal_handler(signal.SIGTERM, self.draining.set)
        if "ignore_hang_up" in WRONG:
            signal.signal(signal.SIGHUP, lambda *_: report("hang_up_ignored"))
        else:
            loop.add_signal_handler(signal.SIGHUP, self.draining.set)
        if "ignore_lifeline" not in WRONG:
            loop.add_reader(LIFELINE, self.on_lifeline)
        server = await asyncio.start_server(self.serve, sock=socket.socket(fileno=LISTENER), start_serving=False)
        if "deaf" not in WRONG:
            await server.start_serving()
        if "never_ready" not in WRONG:
            os.write(HEARTBEAT, b"ready\n")
        report(f"ready {os.getpid()}")
        beating = asyncio.create_task(self.beat())
        await self.draining.wait()
        loop.remove_reader(LISTENER)
        report("draining")
        if "hang_in_drain" in WRONG:
            time.sleep(600)
        if self.in_flight:
            await asyncio.wait(self.in_flight)
        beating.cancel()
        server.close()

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY)
            os.write(HEARTBEAT, b"beat\n")

    def count_stops(self) -> None:
        self.stops += 1
        if self.stops > 1:
            self.draining.set()

    def on_lifeline(self) -> None:
        if not os.read(LIFELINE, 1):
            asyncio.get_running_loop().remove_reader(LIFELINE)
            report("lifeline_ended")
            self.draining.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.in_flight.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            await writer.drain()
            body = await self.answer(target)
            writer.write(body.encode())
            await writer.drain()
        writer.close()
        self.in_flight.discard(task)

    async def answer(self, target: str) -> str:
        if target == "/until-drain":  # in flight until the drain has begun
            report("in_flight")
            await self.draining.wait()
            return "finished"
        if target == "/hang":
            time.sleep(600)
        if target.startswith("/exit/"):
            os._exit(int(target.removeprefix("/exit/")))
        answers: dict[str, Callable[[], str]] = {
            "/environ": lambda: json.dumps(dict(os.environ)),
            "/descriptors": lambda: list_descriptors(close_fds=False),
            "/lone-child": lone_child,
        }
        return answers.get(target, lambda: str(os.getpid()))()


def take_store_lock() -> None:
    """As the daemon does: a standby waits for it, for as long as its lifeline lasts."""
    fd = os.open(Path(os.environ["PRO_ENGINE_STATE_DIR"]) / "store.lock", os.O_RDWR | os.O_CREAT, 0o600)
    if os.environ.get("PRO_ENGINE_STANDBY") == "1":
        report("standby")  # first: what follows from the other makes reports too
        os.write(HEARTBEAT, b"standby\n")
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if select.select([LIFELINE], [], [], 0.02)[0]:
                sys.exit(0)
        else:
            return


def list_descriptors(*, close_fds: bool) -> str:
    """What a grandchild would inherit that was started with the least care."""
    command = [sys.executable, "-c", LIST_DESCRIPTORS]
    return subprocess.run(command, close_fds=close_fds, capture_output=True, text=True, check=True).stdout


def lone_child() -> str:
    return str(subprocess.Popen(["sleep", "600"]).pid)


if __name__ == "__main__":
    if "crash_at_import" in WRONG:
        raise RuntimeError("told to crash at import")
    if "crash_unless_safe" in WRONG and os.environ.get("PRO_ENGINE_SAFE_MODE") != "1":
        sys.exit(3)
    if "wrong_settings" in WRONG:
        sys.exit(78)
    if exit_now := os.environ.get("STAND_IN_EXIT"):
        sys.exit(int(exit_now))
    for inherited in (LISTENER, LIFELINE, HEARTBEAT):
        os.set_inheritable(inherited, False)
    if "stop_before_lock" in WRONG:
        report("stopping_itself")
        os.kill(os.getpid(), signal.SIGSTOP)
    take_store_lock()
    asyncio.run(StandIn().run())
