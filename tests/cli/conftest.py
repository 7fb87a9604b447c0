"""The command as a user runs it: a process of its own, with folders of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.api.conftest import Service, running
from tests.conftest import copy_kernels


@dataclass(frozen=True)
class Ended:
    """What came of one run. Its output is one text."""

    status: int
    out: str
    err: str


Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def environment(home: Path, kernel_cache: Path) -> dict[str, str]:
    """In which `pro-engine …` has its folders, and the CPU."""
    copy_kernels(kernel_cache, home / "cache")
    return os.environ | {
        "HOME": str(home),
        "PRO_ENGINE_STATE_DIR": str(home / "state"),
        "PRO_ENGINE_CACHE_DIR": str(home / "cache"),
        "PRO_ENGINE_DEVICE": "cpu",
        "PRO_ENGINE_SHARED_DIR": str(home / "no-system-service"),
        "COLUMNS": "200",
    }


@pytest.fixture
def command(environment: dict[str, str], home: Path, tmp_path: Path, kernel_cache: Path) -> Command:
    """Runs `pro-engine …` in the folder of the pictures."""

    async def run(*words: str | bytes, **changes: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "daemon.cli", *words),
            cwd=tmp_path,
            env=environment | changes,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(100):
            out, err = await process.communicate()
        copy_kernels(home / "cache", kernel_cache)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
async def published(home: Path, kernel_cache: Path) -> AsyncIterator[Service]:
    """A running service that the command finds, as the supervisor would have published it."""
    async with running(home, kernel_cache) as service:
        runtime = {"host": "127.0.0.1", "port": service.port}
        (home / "state" / "runtime.json").write_text(json.dumps(runtime))
        yield service
