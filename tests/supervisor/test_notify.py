from __future__ import annotations

import asyncio
import os
import secrets
import socket
from pathlib import Path

import pytest

from supervisor.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_messages_arrive_at_systemds_socket(tmp_path: Path, abstract: bool) -> None:
    name = f"pro-engine-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}" if abstract else str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}" if abstract else str(tmp_path / "notify")})
        notifier.send("READY=1", "STATUS=serving")
        assert systemd.recv(100) == b"READY=1\nSTATUS=serving"


def test_an_error_is_not_fatal(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "missing")}).send("READY=1")


def test_nothing_is_sent_without_a_socket() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "30000000"})
    notifier.send("READY=1")
    assert notifier.ping_every is None


@pytest.mark.parametrize(("usec", "pid", "seconds"), [
    ("30000000", None, 15),
    pytest.param("30000000", str(os.getpid()), 15, id="ours"),
    ("30000000", "1", None),
    ("0", None, None),
    ("x", None, None),
])  # fmt: skip
def test_pings_come_at_half_of_what_systemd_wants(usec: str, pid: str | None, seconds: float | None) -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": usec} | ({"WATCHDOG_PID": pid} if pid else {})
    assert Notifier(environ).ping_every == seconds


async def test_the_watchdog_is_pinged_again_and_again(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        pinging = asyncio.create_task(
            Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}).ping()
        )
        async with asyncio.timeout(10):
            assert [await loop.sock_recv(systemd, 100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        pinging.cancel()
