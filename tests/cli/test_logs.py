"""`pro-engine logs` as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.runtime_file import start_ticks
from tests.cli.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
PATIENCE = 20.0
LINES = [
    {"timestamp": "2026-01-01T10:00:00Z", "level": "info", "event": "serving"},
    {"timestamp": "2026-01-01T10:00:01Z", "level": "info", "event": "job_over", "outcome": "done", "job": "ab12"},
    {"timestamp": "2026-01-01T10:00:02Z", "level": "warning", "event": "job_over", "outcome": "failed", "job": "cd34"},
    {"timestamp": "2026-01-01T10:00:03Z", "level": "error", "event": "store_refuses"},
]


@pytest.fixture
def service_log(home: Path, tmp_path: Path) -> Iterator[Path]:
    """The file that a process writes to which has published itself as the service."""
    path = tmp_path / "service.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES) + "a foreign line\n")
    (home / "state").mkdir()
    with path.open("ab") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stderr=file) as service:
        found = {"pid": service.pid, "start_ticks": start_ticks(service.pid)}
        (home / "state" / "runtime.json").write_text(json.dumps(found))
        yield path
        service.stdin.close()  # type: ignore[union-attr]


async def shown(command: Command, *words: str) -> list[str]:
    ended = await command("logs", *words, TZ="UTC")
    assert (ended.status, ended.err) == (0, "")
    return ended.out.splitlines()


async def test_it_shows_lines_for_a_person(command: Command, service_log: Path) -> None:
    assert await shown(command) == [
        "2026-01-01 10:00:00.000 info     serving",
        "2026-01-01 10:00:01.000 info     job_over outcome=done job=ab12",
        "2026-01-01 10:00:02.000 warning  job_over outcome=failed job=cd34",
        "2026-01-01 10:00:03.000 error    store_refuses",
        "a foreign line",
    ]


async def test_filters_and_counts_go_together(command: Command, service_log: Path) -> None:
    for words, wanted in (
        (("--job", "ab"), [LINES[1]]),
        (("--errors",), LINES[2:]),
        (("--errors", "-n", "1"), LINES[3:]),
        (("--errors", "--job", "cd34"), [LINES[2]]),
        (("-n", "2"), [LINES[3], {"foreign": "a foreign line"}]),
        (("-n", "0"), []),
        (("--since", "2026-01-01 10:00:02Z"), [*LINES[2:], {"foreign": "a foreign line"}]),
        (("--since", "2026-01-01 10:00:02Z", "--errors", "-n", "1"), LINES[3:]),
    ):
        assert [json.loads(text) for text in await shown(command, "--json", *words)] == wanted, words


async def test_what_cannot_be_asked_for_is_said_before_anything_is_shown(command: Command, service_log: Path) -> None:
    for words in (("--since", "soon"), ("-n", "-1"), ("-n", "few")):
        ended = await command("logs", *words)
        assert (ended.status, ended.out) == (2, "")
        assert words[1] in ended.err


async def test_without_a_service_it_says_how_to_start_one(command: Command) -> None:
    ended = await command("logs")
    assert (ended.status, ended.out) == (69, "")
    assert "pro-engine run" in ended.err
    assert "Traceback" not in ended.err


async def test_a_reader_that_has_enough_ends_it_without_a_word(home: Path, service_log: Path) -> None:
    service_log.write_text("a long line\n" * 100_000)
    async with following(home, "-n", "100000", follow=False) as process:
        assert process.stdout
        assert process.stderr
        assert await process.stdout.readline() == b"a long line\n"
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert (await process.stderr.read(), await process.wait()) == (b"", 0)


@asynccontextmanager
async def following(home: Path, *words: str, follow: bool = True) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {"HOME": str(home), "PRO_ENGINE_STATE_DIR": str(home / "state"), "TZ": "UTC"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "daemon.cli", "logs", *(["-f"] if follow else []), *words),
        env=os.environ | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().removesuffix("\n")


async def test_it_follows_what_is_written_until_it_is_interrupted(home: Path, service_log: Path) -> None:
    async with following(home, "-n", "1", "--errors") as process:
        assert await said(process) == "2026-01-01 10:00:03.000 error    store_refuses"
        for written in (LINES[0], LINES[2]):
            with service_log.open("a") as file:
                file.write(json.dumps(written) + "\n")
        assert await said(process) == "2026-01-01 10:00:02.000 warning  job_over outcome=failed job=cd34"
        service_log.rename(service_log.with_suffix(".1"))
        service_log.with_suffix(".1").write_text("")
        with service_log.with_suffix(".1").open("a") as file:
            file.write(json.dumps(LINES[3]) + "\n")
        assert await said(process) == "2026-01-01 10:00:03.000 error    store_refuses"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        assert process.stderr
        assert await process.stderr.read() == b""


async def test_of_a_real_service_started_by_hand_it_shows_supervisor_and_daemon(
    command: Command, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "by-hand.log"
    env: dict[str, Any] = {
        "HOME": str(home),
        "PRO_ENGINE_STATE_DIR": str(home / "state"),
        "PRO_ENGINE_CACHE_DIR": str(home / "cache"),
        "PRO_ENGINE_DEVICE": "cpu",
        "PRO_ENGINE_PORT": "0",
    }
    with path.open("ab") as file:
        service = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "daemon.cli", "run"), env=os.environ | env, stdout=file, stderr=file
        )
    try:
        async with asyncio.timeout(60):
            while '"daemon_ready"' not in path.read_text():  # a file has no event
                await asyncio.sleep(0.05)
        text = "\n".join(await shown(command, "-n", "1000"))
        assert "daemon_ready" in text
        assert "component=supervisor" in text
        assert "info     serving address=" in text
    finally:
        service.terminate()
        async with asyncio.timeout(60):
            await service.wait()
