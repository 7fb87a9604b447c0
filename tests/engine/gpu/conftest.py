"""One adapter and one engine for all tests; without a Vulkan driver they are skipped, and fail in CI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.engine.gpu.device import Adapter, list_adapters
from daemon.engine.gpu.upscaler import GpuUpscaler, open_upscaler
from tests.conftest import missing


@pytest.fixture(scope="session")
def adapter() -> Adapter:
    adapters = list_adapters()
    if not adapters:
        missing("no Vulkan driver", "apt-get install mesa-vulkan-drivers")
    return adapters[0]


@pytest.fixture(scope="session")
def shared_engine(adapter: Adapter) -> Iterator[GpuUpscaler]:
    engine = open_upscaler(adapter)
    yield engine
    engine.close()


@pytest.fixture
def engine(shared_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch) -> GpuUpscaler:
    """The engine for tests that may set its largest tile: it is as it was afterwards."""
    monkeypatch.setattr(shared_engine, "_most", shared_engine._most)
    return shared_engine


@pytest.fixture
def own_engine(adapter: Adapter) -> Iterator[GpuUpscaler]:
    """An engine that a test may break."""
    engine = open_upscaler(adapter)
    yield engine
    engine.close()
