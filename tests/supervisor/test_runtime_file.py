from __future__ import annotations

import asyncio
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervisor.notify import Notifier
from supervisor.publication import Publication
from supervisor.runtime_file import RuntimeFile, describe_ourselves, publish, read_runtime_file, withdraw
from tests.supervisor.conftest import PATIENCE, Start


def test_the_file_is_private_and_says_who_and_where(tmp_path: Path) -> None:
    runtime = describe_ourselves("abc", "127.0.0.1", 3007)
    publish(runtime, tmp_path)
    path = tmp_path / "runtime.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = json.loads(path.read_text())
    assert list(found)[:7] == ["instance", "pid", "start_ticks", "boot_id", "host", "port", "protocol"]
    assert (found["pid"], found["port"], found["protocol"]) == (os.getpid(), 3007, 1)
    assert found["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert found["start_ticks"] > 0
    assert read_runtime_file(tmp_path) == runtime
    assert [entry.name for entry in tmp_path.iterdir()] == ["runtime.json"]


@pytest.mark.parametrize(("host", "url"), [
    ("127.0.0.1", "http://127.0.0.1:1"),
    ("0.0.0.0", "http://127.0.0.1:1"),
    ("::", "http://[::1]:1"),
    ("192.168.1.5", "http://192.168.1.5:1"),
])  # fmt: skip
def test_the_address_is_one_to_connect_to(host: str, url: str) -> None:
    assert describe_ourselves("abc", host, 1).url == url


def test_only_our_own_file_is_withdrawn(tmp_path: Path) -> None:
    ours = describe_ourselves("ours", "127.0.0.1", 1)
    publish(replace(ours, instance="theirs"), tmp_path)
    withdraw(ours, tmp_path)
    assert (tmp_path / "runtime.json").exists()
    publish(ours, tmp_path)
    withdraw(ours, tmp_path)
    assert not (tmp_path / "runtime.json").exists()
    withdraw(ours, tmp_path)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    earlier: dict[str, Any] = {
        "instance": "x",
        "pid": 1,
        "start_ticks": 2,
        "boot_id": "b",
        "host": "127.0.0.1",
        "port": 9,
    }
    (tmp_path / "runtime.json").write_text(json.dumps(earlier))
    assert read_runtime_file(tmp_path) == RuntimeFile(**earlier)


def test_what_was_told_since_is_withdrawn_with_it(tmp_path: Path) -> None:
    ours = describe_ourselves("ours", "127.0.0.1", 1)
    publish(replace(ours, state="degraded", port_taken_by=("node (pid 3)",)), tmp_path)
    assert read_runtime_file(tmp_path) == replace(ours, state="degraded", port_taken_by=("node (pid 3)",))
    withdraw(ours, tmp_path)
    assert not (tmp_path / "runtime.json").exists()


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = describe_ourselves("old", "127.0.0.1", 1)
    publish(old, tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        publish(replace(old, instance="new"), tmp_path)
    assert read_runtime_file(tmp_path) == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["runtime.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"instance": "x"}', "[" * 100_000])
def test_a_broken_file_is_no_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "runtime.json").write_text(content)
    assert read_runtime_file(tmp_path) is None


async def test_the_state_folder_and_the_files_in_it_are_private(start: Start) -> None:
    supervised = await start()
    await supervised.ready()
    assert stat.S_IMODE(supervised.state_dir.stat().st_mode) == 0o700
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in supervised.state_dir.iterdir()}
    assert modes == dict.fromkeys(("runtime.json", "supervisor.lock", "store.lock", "daemons.json"), 0o600)
    assert supervised.runtime()["pid"] == supervised.pid


async def test_what_a_full_disk_did_not_take_is_published_once_there_is_room(tmp_path: Path) -> None:
    """Nothing else may happen for days that would publish it."""
    (tmp_path / "runtime.json").mkdir()  # a file cannot be renamed onto a folder
    runtime = describe_ourselves("abc", "127.0.0.1", 3007)
    publication = Publication(runtime, Notifier({}), tmp_path, None, retry_every=0.01)
    publication.tell("serving")
    (tmp_path / "runtime.json").rmdir()
    async with asyncio.timeout(PATIENCE):
        while not (published := read_runtime_file(tmp_path)):
            await asyncio.sleep(0.01)
    assert published == publication.runtime
    publication.tell("stopping")
    publication.withdraw()
    assert not list(tmp_path.iterdir())


async def test_nothing_is_published_behind_a_withdrawal(tmp_path: Path) -> None:
    (tmp_path / "runtime.json").mkdir()
    runtime = describe_ourselves("abc", "127.0.0.1", 3007)
    publication = Publication(runtime, Notifier({}), tmp_path, None, retry_every=0)
    publication.tell("stopping")
    publication.withdraw()
    (tmp_path / "runtime.json").rmdir()
    await asyncio.sleep(0.05)  # a retry would have come in the loop's first turn
    assert not list(tmp_path.iterdir())
