"""The daemon as a process: it starts, drains, and ends, also where it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.api.conftest import png
from tests.conftest import copy_kernels

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Start]:
    """Starts bare daemons, and ends them."""
    copy_kernels(kernel_cache, tmp_path / "cache")
    started: list[asyncio.subprocess.Process] = []

    async def start_one(**changes: str) -> asyncio.subprocess.Process:
        env = {
            "PRO_ENGINE_STATE_DIR": str(tmp_path / "state"),
            "PRO_ENGINE_CACHE_DIR": str(tmp_path / "cache"),
            "PRO_ENGINE_DEVICE": "cpu",
            "PRO_ENGINE_PORT": "0",
            "PRO_ENGINE_LOG_FORMAT": "json",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "daemon"),
            env=os.environ | env | changes,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def event(process: asyncio.subprocess.Process, name: str) -> dict[str, object]:
    assert process.stderr
    async with asyncio.timeout(60):
        while line := await process.stderr.readline():
            try:
                found: dict[str, object] = json.loads(line)
            except ValueError:
                continue
            if found.get("event") == name:
                return found
    pytest.fail(f"the log ended without {name}")


async def test_a_daemon_that_cannot_start_ends_and_does_not_hang(start: Start, tmp_path: Path) -> None:
    """The store is open by then, and its thread would keep the process alive."""
    (tmp_path / "file").write_text("in the way")
    process = await start(PRO_ENGINE_CACHE_DIR=str(tmp_path / "file"))
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode not in {0, None}
    assert b"in the way" not in errors


async def test_a_job_that_was_taken_is_done_before_a_signal_ends_the_daemon(start: Start, tmp_path: Path) -> None:
    process = await start()
    address = (await event(process, "serving"))["address"]
    assert isinstance(address, list)
    headers = {"Authorization": f"Bearer {(tmp_path / 'state' / 'token').read_text().strip()}"}
    url = f"http://127.0.0.1:{address[1]}"
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(f"{url}/ws") as socket:
        await event(process, "device_opened")
        await socket.send_json({"type": "subscribe"})
        await socket.receive_json()
        async with session.post(f"{url}/api/process", data=png(300, 300)) as response:
            assert response.status == 202
        while (await socket.receive_json())["event"] != "started":
            pass
        process.send_signal(signal.SIGTERM)
        await event(process, "job_done")
        while not socket.closed:
            await socket.receive()
        assert socket.close_code == 1012
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode == 0
