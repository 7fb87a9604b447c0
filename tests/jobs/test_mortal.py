"""kill -9 at every single step: files and rows agree afterwards, and no job that was answered is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.jobs.job import TERMINAL

LEAST_STEPS = 100  # fewer would mean that the steps are not counted any more


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What was found after each."""
    command = [sys.executable, "-m", "tests.jobs.mortal", str(tmp_path_factory.mktemp("mortal"))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def test_there_is_a_death_at_each_step_and_then_a_whole_life(deaths: list[dict[str, Any]]) -> None:
    assert len(deaths) > LEAST_STEPS
    assert {found["outcome"] for found in deaths[:-1]} == {-signal.SIGKILL}
    assert deaths[-1]["outcome"] == 0
    assert deaths[-1]["accepted"] == 7


def test_after_each_files_and_rows_agree_and_nothing_temporary_is_left(deaths: list[dict[str, Any]]) -> None:
    for found in deaths:
        assert (found["disagreements"], found["temporary"]) == ([], 0), f"step {found['step']}"


def test_after_each_every_job_that_was_answered_comes_to_exactly_one_end(deaths: list[dict[str, Any]]) -> None:
    for found in deaths:
        assert all(len(ends) == 1 and ends[0] in TERMINAL for ends in found["ends"]), f"step {found['step']}: {found}"
