"""The processor is counted and named on any system, and whatever cannot be read falls back to something sayable."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from daemon.engine.cpu import processor


def test_counts_the_cores_this_process_may_use() -> None:
    if platform.system() == "Linux":
        assert processor.core_count() == len(os.sched_getaffinity(0))
    assert processor.core_count() >= 1


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_has_a_name_on_every_system(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    assert processor.processor_name().strip()


def test_is_named_by_its_architecture_where_nothing_else_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_arguments: object, **_options: object) -> str:
        raise PermissionError

    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "processor", str)
    monkeypatch.setattr(Path, "read_text", unreadable)
    assert processor.processor_name() == platform.machine()
