"""The daemon as a process: it starts, drains, and ends, also where it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from daemon.lifecycle import RecordLock
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
            stdout=asyncio.subprocess.PIPE,
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
    assert process.returncode == 3
    assert b"in the way" not in errors
    told = json.loads(errors.splitlines()[-1])
    assert told["event"] == "daemon_failed_to_start"
    assert told["exception"][0]["exc_type"] == "NotADirectoryError"


def test_arguments_are_wrong_usage_and_start_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "daemon", "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 64
    assert ended.stderr.startswith("usage: python -m daemon")


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
        await event(process, "job_over")
        while not socket.closed:
            await socket.receive()
        assert socket.close_code == 1012
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode == 0


async def test_a_bare_daemon_says_where_it_is_for_as_long_as_it_runs(start: Start, tmp_path: Path) -> None:
    process = await start()
    address = (await event(process, "serving"))["address"]
    assert isinstance(address, list)
    await event(process, "worker_started")
    found = json.loads((tmp_path / "state" / "runtime.json").read_text())
    assert (found["port"], found["state"], found["pid"]) == (address[1], "serving", process.pid)
    process.terminate()
    assert await process.wait() == 0
    assert not (tmp_path / "state" / "runtime.json").exists()


async def test_of_two_bare_daemons_in_one_folder_the_second_names_the_first_and_ends_with_100(start: Start) -> None:
    first = await start()
    address = (await event(first, "serving"))["address"]
    assert isinstance(address, list)
    second = await start()
    said, _ = await second.communicate()
    assert second.returncode == 100
    assert said.decode() == f"Pro Engine already runs at http://127.0.0.1:{address[1]}\n"
    assert first.returncode is None


async def test_a_store_that_another_daemon_holds_is_worth_another_try(start: Start, tmp_path: Path) -> None:
    """A daemon whose supervisor was killed drains still; ours is not to open what it has open."""
    lock = RecordLock(tmp_path / "state" / "store.lock")
    assert lock.take(0)
    second = await start()
    await event(second, "store_taken")
    assert await second.wait() == 75
    lock.release()
