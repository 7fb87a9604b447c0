"""Real children: workers on the CPU with kernels that are compiled already, and intakes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from daemon.executor.executor import Assignment
from daemon.executor.local import LocalExecutor
from daemon.executor.messages import FileRef, Work
from daemon.executor.options import WorkerOptions
from tests.conftest import copy_kernels

FAKES = Path(__file__).parent / "fakes"
PATIENCE = 60.0
Start = Callable[..., Awaitable[LocalExecutor]]


@pytest.fixture
async def start(tmp_path: Path, kernel_cache: Path) -> AsyncIterator[Start]:
    """Starts executors whose first worker is ready, and ends them."""
    async with contextlib.AsyncExitStack() as stack:

        async def start_one(*wishes: str, **changes: Any) -> LocalExecutor:
            copy_kernels(kernel_cache, tmp_path)
            options: dict[str, Any] = {"cache": tmp_path, "memory_limit": 4 << 30, "open_deadline": 30.0} | changes
            executor = LocalExecutor(wishes, WorkerOptions(**options))
            stack.push_async_callback(executor.close)
            await executor.start()
            async with asyncio.timeout(PATIENCE):
                (await executor.lease()).release()
            copy_kernels(tmp_path, kernel_cache)  # the first worker of a run compiles them for the rest
            return executor

        yield start_one


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a fake library in front of the real one, for every child that is started from now on."""

    def use(kind: str) -> None:
        assert (FAKES / kind).is_dir()
        monkeypatch.setenv("PYTHONPATH", str(FAKES / kind), prepend=os.pathsep)

    return use


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A picture that takes a while: 1500 x 1500."""
    path = tmp_path / "large.png"
    noise = np.random.default_rng(7).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, compress_level=0)
    return path


def assignment(source: Path, width: int, height: int, **work: Any) -> Assignment:
    """One job, its result beside the source."""
    job = uuid.uuid4().hex
    sink = source.with_name(f"{job}.sink")
    return Assignment(job, FileRef(path=str(source)), FileRef(path=str(sink)), Work(width=width, height=height, **work))


def ignore(_fraction: float) -> None:
    """Progress that nobody looks at."""
