"""`pro-engine run` becomes the supervisor, and hands on whom a person wants out of the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cli.conftest import Command
from tests.supervisor.conftest import PATIENCE, free_port
from tests.supervisor.decoys import decoy

HOST = "127.0.0.1"


@asynccontextmanager
async def running(home: Path, *words: str, **changes: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`pro-engine run …`, asked to stop at the end, which it does cleanly."""
    settings = {
        "HOME": str(home),
        "PRO_ENGINE_STATE_DIR": str(home / "state"),
        "PRO_ENGINE_CACHE_DIR": str(home / "cache"),
        "PRO_ENGINE_DEVICE": "cpu",
        "PRO_ENGINE_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "daemon.cli", "run", *words),
        env=os.environ | settings | changes,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert process.stdout
            await process.stdout.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def event(process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        while line := await process.stdout.readline():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if found.get("event") == name:
                return dict(found)
    raise AssertionError(f"the log ended before {name}")


async def test_it_takes_the_port_from_whom_a_person_named(home: Path) -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}") as holder:
        async with running(home, "--evict", str(holder.pid), PRO_ENGINE_PORT=str(port)) as process:
            assert (await event(process, "evicted"))["pid"] == holder.pid
            assert (await event(process, "listening"))["port"] == port
            assert not holder.alive


async def test_without_being_told_it_leaves_the_holder_alone_and_goes_elsewhere(home: Path) -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}") as holder:
        async with running(home, PRO_ENGINE_PORT=str(port)) as process:
            told = await event(process, "port_taken")
            assert told["wanted"] == port
            assert f"(pid {holder.pid}, " in told["holders"][0]
            assert (await event(process, "listening"))["port"] != port
        assert holder.alive


async def test_whom_it_may_not_end_is_refused_in_a_sentence(command: Command) -> None:
    port = free_port()
    with decoy() as stranger:
        ended = await command("run", "--evict", str(stranger.pid), PRO_ENGINE_PORT=str(port))
        assert ended.status == os.EX_USAGE
        assert ended.err.splitlines()[-1].startswith(f"pro-engine: process {stranger.pid} (")
        assert "does not listen" in ended.err
        assert stranger.alive


async def test_a_pid_is_a_number(command: Command) -> None:
    ended = await command("run", "--evict", "node")
    assert ended.status == 2
    assert "--evict" in ended.err


async def test_a_reload_tells_which_changes_of_the_file_wait_for_a_restart(home: Path, tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "mine.toml"
    file.write_text(f"port = {port}\nmax_queue = 5\n")
    async with running(home, PRO_ENGINE_CONFIG=str(file)) as process:
        assert (await event(process, "listening"))["port"] == port
        await event(process, "daemon_ready")
        file.write_text(f'port = {port}\nretry_every = 5\nstate_dir = "/elsewhere"\ncache_dir = "/elsewhere"\n')
        process.send_signal(signal.SIGHUP)
        told = await event(process, "setting_needs_restart")
        # the environment says where the state is, so that a restart would change nothing; the file is not meant
        assert (told["setting"], told["in_use"], told["configured"]) == ("retry_every", "60", "5")
        assert told["source"] == f"file {file}"
        await event(process, "daemon_ready")
        file.write_text("port = 0\n")
        process.send_signal(signal.SIGHUP)
        told = await event(process, "setting_needs_restart")
        assert (told["setting"], told["in_use"], told["configured"]) == ("port", str(port), "0")
        await event(process, "daemon_ready")


async def test_a_reload_that_would_make_the_next_start_fail_is_called_off(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("port = 0\n")
    async with running(home, PRO_ENGINE_CONFIG=str(file)) as process:
        await event(process, "daemon_ready")
        file.write_text("port = 70000\n")
        process.send_signal(signal.SIGHUP)
        assert "refused its settings" in (await event(process, "planned_restart_called_off"))["reason"]
