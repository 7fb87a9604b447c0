"""What the ledger remembers, and that it is never believed beyond what the kernel shows."""

from __future__ import annotations

import json
import os
import signal
import stat
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import spawned
from supervisor.spawned import LEDGER_NAME, MOST, SpawnedDaemon, forget, identify, recall, remember
from tests.supervisor.decoys import decoy

TOKEN = {"PRO_ENGINE_INSTANCE": "token"}
SOMEONE = SpawnedDaemon(pid=4_000_000, start_ticks=1, boot_id="boot", uid=0, exe="/bin/x", instance="token")


def test_a_daemon_is_remembered_as_the_kernel_shows_it_and_forgotten(tmp_path: Path) -> None:
    with decoy(environ=TOKEN) as daemon:
        remember(tmp_path, daemon.pid, "token")
        (found,) = recall(tmp_path)
        assert found == identify(daemon.pid, "token")
        assert (found.pid, found.uid, found.exe) == (daemon.pid, os.getuid(), os.path.realpath("/proc/self/exe"))
        assert stat.S_IMODE((tmp_path / LEDGER_NAME).stat().st_mode) == 0o600
        forget(tmp_path, daemon.pid)
        assert recall(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [LEDGER_NAME]


def test_several_are_remembered_and_the_dead_struck_out(tmp_path: Path) -> None:
    with decoy(environ=TOKEN) as first, decoy(environ=TOKEN) as second, decoy(environ=TOKEN) as third:
        remember(tmp_path, first.pid, "token")
        remember(tmp_path, second.pid, "token")
        assert [daemon.pid for daemon in recall(tmp_path)] == [first.pid, second.pid]
        first.signal(signal.SIGKILL)
        first.started.wait()
        remember(tmp_path, third.pid, "token")
        assert [daemon.pid for daemon in recall(tmp_path)] == [second.pid, third.pid]


def test_one_without_the_token_is_never_recognized_and_one_that_is_gone_not_remembered(tmp_path: Path) -> None:
    with decoy(environ={"PRO_ENGINE_INSTANCE": "token2"}) as other:
        remember(tmp_path, other.pid, "token")
        assert [identify(daemon.pid, daemon.instance) for daemon in recall(tmp_path)] == [None]
        other.signal(signal.SIGKILL)
        other.started.wait()
        remember(tmp_path, other.pid, "token2")
    assert [daemon.instance for daemon in recall(tmp_path)] == ["token"]
    assert identify(other.pid, "token2") is None


def test_one_whose_environment_is_not_yet_shown_is_remembered(tmp_path: Path) -> None:
    """Between its exec and the moment when the kernel shows it, a child has no environment to be known by."""
    with decoy(environ={}) as daemon:
        remember(tmp_path, daemon.pid, "token")
    assert [found.pid for found in recall(tmp_path)] == [daemon.pid]


def test_without_proc_nothing_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawned, "boot_id", lambda: None)
    with decoy(environ=TOKEN) as daemon:
        remember(tmp_path, daemon.pid, "token")
    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_of_the_program_leaves_the_process_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "readlink", lambda _: Path("/usr/bin/python3 (deleted)"))
    with decoy(environ=TOKEN) as daemon:
        found = identify(daemon.pid, "token")
    assert found
    assert found.exe == "/usr/bin/python3"


def test_a_disk_that_takes_nothing_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with decoy(environ=TOKEN) as daemon:
        remember(tmp_path, daemon.pid, "token")
        before = recall(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(json, "dump", refuse)
            forget(tmp_path, daemon.pid)
        assert recall(tmp_path) == before
        remember(tmp_path / "missing", daemon.pid, "token")
    assert [path.name for path in tmp_path.iterdir()] == [LEDGER_NAME]


def test_the_ledger_stays_small(tmp_path: Path) -> None:
    lines = [asdict(replace(SOMEONE, pid=pid)) for pid in range(1, 100)]
    (tmp_path / LEDGER_NAME).write_text(json.dumps(lines))
    assert [daemon.pid for daemon in recall(tmp_path)] == list(range(100 - MOST, 100))


def test_a_name_that_is_no_text_does_not_hide_a_process() -> None:
    """The kernel takes any bytes for the name of a process."""
    with decoy("--hide-name", environ=TOKEN) as daemon:
        found = identify(daemon.pid, "token")
        assert found
        assert found.start_ticks > 2


def test_a_file_that_nests_too_deep_to_be_read_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / LEDGER_NAME).write_text("[" * 100_000)
    assert recall(tmp_path) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
LINES = st.fixed_dictionaries(dict.fromkeys(SpawnedDaemon.__slots__, JSON)) | JSON


@given(written=st.lists(LINES).map(json.dumps) | JSON.map(json.dumps) | st.text())
def test_whatever_is_in_the_file_is_read_as_whole_daemons_or_none(
    written: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / LEDGER_NAME).write_text(written, encoding="utf-8", errors="surrogatepass")
    for found in recall(folder):
        types: list[Any] = [type(value) for value in asdict(found).values()]
        assert types == [int, int, str, int, str, str]
        assert found.instance
