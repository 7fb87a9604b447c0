"""The runtime file of a bare daemon: what a supervisor's says, kept by the same rules."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.runtime_file import RuntimeFile, running_url
from supervisor.runtime_file import RuntimeFile as SupervisorsFile
from supervisor.runtime_file import describe_ourselves, publish


def ours(path: Path, host: str = "127.0.0.1", instance: str = "abc") -> RuntimeFile:
    return RuntimeFile(path, instance, host, 3007, lambda: 12.0)


def test_it_has_every_field_of_a_supervisors_with_values_of_the_same_types(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    ours(path).tell("serving")
    found = json.loads(path.read_text())
    publish(describe_ourselves("abc", "127.0.0.1", 3007), tmp_path)
    theirs = json.loads(path.read_text())
    assert set(found) == {field.name for field in dataclasses.fields(SupervisorsFile)} == set(theirs)
    same = ("instance", "pid", "start_ticks", "boot_id", "host", "port", "protocol")
    assert [found[name] for name in same] == [theirs[name] for name in same]
    assert (found["state"], found["since"], found["daemon_pid"]) == ("serving", 12.0, os.getpid())


def test_it_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    file = ours(path)
    file.tell("serving")
    file.tell("stopping")
    assert json.loads(path.read_text())["state"] == "stopping"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_withdrawn_only_where_it_is_still_ours(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    file = ours(path)
    file.tell("serving")
    ours(path, instance="another").tell("serving")
    file.withdraw()
    assert path.exists()
    ours(path, instance="another").withdraw()
    assert not path.exists()
    file.withdraw()


def test_a_folder_that_cannot_be_written_costs_the_file_and_nothing_else(tmp_path: Path) -> None:
    file = ours(tmp_path / "gone" / "runtime.json")
    file.tell("serving")
    file.withdraw()


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:3007"), ("::", "http://[::1]:3007")])
def test_who_listens_everywhere_is_reached_on_loopback(tmp_path: Path, host: str, url: str) -> None:
    ours(tmp_path / "runtime.json", host).tell("serving")
    assert running_url(tmp_path / "runtime.json") == url


def test_a_file_of_a_process_that_lives_no_more_names_no_address(tmp_path: Path) -> None:
    path = tmp_path / "runtime.json"
    write = (
        "import sys; from pathlib import Path; from daemon.runtime_file import RuntimeFile;"
        "RuntimeFile(Path(sys.argv[1]), 'abc', '127.0.0.1', 1, lambda: 0.0).tell('serving')"
    )
    subprocess.run([sys.executable, "-c", write, str(path)], check=True)
    assert path.exists()
    assert running_url(path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"host": 1}', '{"host": "a", "port": "b", "pid": 1}'])
def test_a_file_that_is_none_names_no_address(tmp_path: Path, text: str) -> None:
    (tmp_path / "runtime.json").write_text(text)
    assert running_url(tmp_path / "runtime.json") is None
