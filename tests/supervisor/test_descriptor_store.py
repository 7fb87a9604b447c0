"""The listener outlives the supervisor in systemd's descriptor store; here a stand-in for systemd keeps it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from tests.supervisor.conftest import ROOT, STAND_IN, Start, Supervised, body

# As systemd does: the descriptor as number 3, and its variables with the pid that they are meant for.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
environ = os.environ | {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": sys.argv[2]}
os.execve(sys.executable, [sys.executable, "-m", "supervisor", "--", *sys.argv[3:]], environ)
"""


async def test_the_listener_is_stored_under_its_port_and_a_successor_serves_what_waits_in_it(
    start: Start, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        first = await start({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        await first.ready()
        systemd.settimeout(5)
        message, kept = b"", [-1]
        while not message.startswith(b"FDSTORE=1"):
            message, kept, _, _ = socket.recv_fds(systemd, 4096, 4)
    port = first.runtime()["port"]
    assert f"FDNAME=http-{port}" in message.decode()
    assert "FDPOLL=0" in message.decode()
    first.signal(signal.SIGTERM)
    assert await first.exit_code() == 0
    waiting = await asyncio.open_connection("127.0.0.1", port)
    waiting[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AS_SYSTEMD, str(kept[0]), f"http-{port}", sys.executable, str(STAND_IN)),
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PRO_ENGINE_STATE_DIR": str(first.state_dir),
            "PRO_ENGINE_PORT": str(port),
            "PRO_ENGINE_LOG_FORMAT": "json",
        },
        pass_fds=kept,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(kept[0])
    second = Supervised(process, first.state_dir)
    assert await body(*waiting) == str(await second.ready())
    assert second.runtime()["port"] == port
    second.signal(signal.SIGTERM)
    assert await second.exit_code() == 0
