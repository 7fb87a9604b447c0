"""Fixtures that every part's tests share."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from daemon.store.files import Files

SHARED_IMAGES = Path(__file__).parent.parent.parent / "shared" / "images"


def missing(why: str, install: str) -> NoReturn:
    """Skip with the command that would help; in CI, where everything can be installed, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}: {install}")
    pytest.skip(f"{why}: {install}")


@pytest.fixture(autouse=True)
def no_system_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may well have one, which is none of the tests'."""
    monkeypatch.setattr("daemon.published.SYSTEM_FOLDER", str(tmp_path / "no-system-service"))


@pytest.fixture(scope="session", autouse=True)
def no_settings_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The one of whoever runs the tests is not theirs."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


SLOW_END = """
import asyncio, time
closed = asyncio.SelectorEventLoop.close
def close(loop):
    closed(loop)
    time.sleep(0.3)
asyncio.SelectorEventLoop.close = close
"""


@pytest.fixture
def slow_end(tmp_path: Path) -> dict[str, str]:
    """An environment in which a Python process lingers where its event loop has closed, as a busy machine has it."""
    folder = tmp_path / "slow-end"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW_END)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


async def pester(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal it until it has ended. By a pidfd: `send_signal` may take its exit code away from asyncio."""
    pidfd = os.pidfd_open(process.pid)
    try:
        with contextlib.suppress(ProcessLookupError):
            while process.returncode is None:
                signal.pidfd_send_signal(pidfd, number)
                await asyncio.sleep(0.001)
    finally:
        os.close(pidfd)


@pytest.fixture
def shared_images() -> Path:
    if not SHARED_IMAGES.is_dir():
        pytest.skip("the folder of test pictures (../shared/images) is not here")
    return SHARED_IMAGES


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small RGB photograph-like PNG, 64 x 48."""
    y, x = np.mgrid[0:48, 0:64]
    planes = [x * 4 % 256, y * 5 % 256, (x * y) % 256]
    path = tmp_path / "picture.png"
    Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of compiled CPU kernels for the whole run, kept between runs where the environment names one."""
    named = os.environ.get("PRO_ENGINE_TEST_CACHE")
    folder = Path(named) if named else tmp_path_factory.mktemp("kernels")
    warm_kernels(folder)
    return folder


def warm_kernels(folder: Path) -> None:
    """In a process of its own: numba is to stay out of this one, where tests look at what is imported.

    One at a time: two that compile into one folder undo each other's index, and both would compile again.
    """
    warm = (
        "from daemon.engine.cpu.compiled import *; import pathlib, sys; prepare(pathlib.Path(sys.argv[1])); load_all()"
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "warming").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run([sys.executable, "-c", warm, str(folder)], check=True)


def copy_kernels(kernel_cache: Path, into: Path) -> None:
    """Give a fresh cache folder the compiled kernels, so that a worker in it is warm at once."""
    if (kernel_cache / "kernels").is_dir():
        shutil.copytree(kernel_cache / "kernels", into / "kernels", dirs_exist_ok=True)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A fresh cache folder."""
    made = Files(tmp_path / "cache")
    made.prepare()
    return made
