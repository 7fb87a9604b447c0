"""One CPU engine for all tests, its compiled kernel kept in pytest's own cache between runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.engine.cpu.upscaler import CpuUpscaler, prepare


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[CpuUpscaler]:
    prepare(Path(request.config.cache.mkdir("cpu-engine")))
    upscaler = CpuUpscaler(threads=2)
    yield upscaler
    upscaler.close()
