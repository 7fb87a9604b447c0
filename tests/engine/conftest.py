"""What the engine's own tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.engine.codec.png.filtering import row_filter
from daemon.engine.cpu.compiled import prepare


@pytest.fixture(scope="session", autouse=True)
def compiled_png_filter(kernel_cache: Path) -> None:
    """In this process, before a test with a deadline needs it."""
    prepare(kernel_cache)
    row_filter()
