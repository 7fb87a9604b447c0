"""The whole service as a user has it: `pro-engine run`, its supervisor, daemon, intake and workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from daemon.client import Client, connect
from daemon.errors import ServiceUnreachable
from daemon.settings import Folders
from tests.conftest import copy_kernels

DEADLINE = 60.0


@dataclass(frozen=True)
class Running:
    """A started service and where it lives."""

    supervisor: subprocess.Popen[bytes]
    folders: Folders
    log: Path

    def child(self, module: str) -> psutil.Process:
        """The one process below the supervisor that runs `module`."""
        below = psutil.Process(self.supervisor.pid).children(recursive=True)
        found = [process for process in below if module in _command(process)]
        assert len(found) == 1, f"{module}: {found}"
        return found[0]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        async with connect(self.folders) as client:
            yield client

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def until(what: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is something, for at most a minute."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if answer := await what():
                return answer
            await asyncio.sleep(0.02)


async def devices_open(running: Running) -> bool:
    try:
        async with running.client() as client:
            health = await client.health()
            return bool(health["services"]["hardware_detector"]["devices"])
    except ServiceUnreachable:
        return False


@pytest.fixture
def start(tmp_path: Path, kernel_cache: Path) -> Iterator[Callable[..., Running]]:
    """Starts services, each in a folder of its own unless told otherwise; ends them all afterwards."""
    started: list[Running] = []

    def start(name: str = "service", **env: str) -> Running:
        folders = Folders(tmp_path / name / "state", tmp_path / name / "cache")
        folders.cache.mkdir(parents=True, exist_ok=True)
        copy_kernels(kernel_cache, folders.cache)
        values = {
            "PRO_ENGINE_STATE_DIR": str(folders.state),
            "PRO_ENGINE_CACHE_DIR": str(folders.cache),
            "PRO_ENGINE_PORT": "0",
            "PRO_ENGINE_DEVICE": "cpu",
            "PRO_ENGINE_LOG_FORMAT": "json",
            **env,
        }
        log = tmp_path / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", "run"], env={**os.environ, **values}, stdout=file, stderr=file
            )
        running = Running(process, folders, log)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.supervisor.poll() is None:
            running.supervisor.send_signal(signal.SIGTERM)
        try:
            running.supervisor.wait(30)
        except subprocess.TimeoutExpired:
            for process in psutil.Process(running.supervisor.pid).children(recursive=True):
                process.kill()
            running.supervisor.kill()
            running.supervisor.wait()


@pytest.fixture
def large_picture(tmp_path: Path) -> Path:
    """A picture whose enlargement 8 times takes seconds: noise, which nothing compresses."""
    path = tmp_path / "large.png"
    pixels = np.random.default_rng(1).integers(0, 255, (400, 500, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)
    return path
