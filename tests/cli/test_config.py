"""`pro-engine config`: what is set, where, and what it does."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from daemon.config_file import KINDS
from daemon.settings import read
from daemon.settings_table import SHOWN
from tests.cli.conftest import Command, Ended

SET = 'port = 4000\nhosts = ["nas", "nas.local"]\ncache_hours = 0.5\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SET)
    return path


def entries(ended: Ended) -> dict[str, dict[str, Any]]:
    assert (ended.status, ended.err) == (0, "")
    return {entry["key"]: entry for entry in json.loads(ended.out)["settings"]}


def line(ended: Ended, key: str) -> list[str]:
    """The columns of a setting: two spaces or more are between them."""
    return next(found.split("  ") for found in ended.out.splitlines() if found.startswith(f"{key} "))


async def test_each_value_is_shown_with_where_it_came_from(command: Command, file: Path) -> None:
    ended = await command("config", PRO_ENGINE_CONFIG=str(file), PRO_ENGINE_PORT="5000")
    assert ended.status == 0
    assert ended.out.splitlines()[0] == f"settings file: {file}"
    assert len(ended.out.splitlines()) == 1 + len(SHOWN)
    shown = {key: [cell.strip() for cell in line(ended, key) if cell.strip()][1:4] for key in KINDS}
    assert shown["port"] == ["5000", "environment PRO_ENGINE_PORT", "restart"]
    assert shown["hosts"] == ["nas,nas.local", f"file {file}", "reload"]
    assert shown["cache_hours"] == ["0.5 hours", f"file {file}", "reload"]
    assert shown["max_queue"] == ["2000", "default", "reload"]
    assert shown["retry_every"] == ["60 seconds", "default", "restart"]


async def test_a_program_gets_values_in_their_own_types(command: Command, file: Path) -> None:
    ended = await command("config", "--json", PRO_ENGINE_CONFIG=str(file), PRO_ENGINE_PAIRING="0")
    found = entries(ended)
    assert set(found) == set(KINDS)
    assert (found["port"]["value"], found["port"]["default"]) == (4000, 3007)
    assert (found["hosts"]["value"], found["hosts"]["default"]) == (["nas", "nas.local"], [])
    assert (found["cache_hours"]["value"], found["cache_hours"]["unit"]) == (0.5, "hours")
    assert (found["pairing"]["value"], found["pairing"]["source"]) == (False, "environment PRO_ENGINE_PAIRING")
    assert json.loads(ended.out)["file"] == {"path": str(file), "exists": True}


async def test_only_what_was_asked_for_by_key_or_variable(command: Command) -> None:
    found = entries(await command("config", "--json", "port", "PRO_ENGINE_MAX_QUEUE", "cache-mb"))
    assert set(found) == {"port", "max_queue", "cache_mb"}


async def test_a_key_that_there_is_not_is_told_with_the_one_that_was_meant(command: Command) -> None:
    ended = await command("config", "port", "prot")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "pro-engine: there is no setting 'prot'; is it 'port'? (not_found)\n"


async def test_a_wrong_value_ends_it_whichever_was_asked_for(command: Command, file: Path) -> None:
    ended = await command("config", "host", PRO_ENGINE_RETRY_EVERY="soon")
    assert (ended.status, ended.out) == (78, "")
    assert ended.err.startswith("pro-engine: PRO_ENGINE_RETRY_EVERY is 'soon'; it must be a number of seconds")
    file.write_text("[server]\nport = 1\n")
    ended = await command("config", PRO_ENGINE_CONFIG=str(file))
    assert (ended.status, ended.err) == (78, f"pro-engine: {file}: there is no setting 'server'\n")


async def test_a_file_that_is_not_there_is_told_and_a_variable_that_means_nothing(command: Command) -> None:
    ended = await command("config", "port", PRO_ENGINE_PROT="1")
    assert ended.out.splitlines()[0].endswith("config.toml (does not exist)")
    assert "pro-engine: PRO_ENGINE_PROT is no setting; is it 'PRO_ENGINE_PORT'?\n" in ended.err


async def test_a_folder_whose_name_is_no_text_is_shown_all_the_same(command: Command, tmp_path: Path) -> None:
    ended = await command("config", "state_dir", PRO_ENGINE_STATE_DIR=os.fsdecode(b"/x\xff"), PYTHONUTF8="1")
    assert ended.status == 0
    assert "/x\\udcff" in ended.out


def test_on_a_terminal_it_is_a_table_that_keeps_every_letter(file: Path) -> None:
    file.write_text('device = ["[bold]", "Radeon [/x]"]')
    ours, theirs = pty.openpty()
    env = os.environ | {"PRO_ENGINE_CONFIG": str(file), "COLUMNS": "200", "TERM": "xterm", "HOME": "/home/ann"}
    process = subprocess.Popen([sys.executable, "-P", "-m", "daemon.cli", "config"], env=env, stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # Linux says so where the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert "[bold], Radeon [/x]" in text
    assert "what it does" in text
    assert "Supervisor" in text
    assert "\x1b[33m(restart)\x1b[0m" in text


async def test_the_example_reads_back_to_the_defaults(command: Command, home: Path, tmp_path: Path) -> None:
    ended = await command("config", "--example", PRO_ENGINE_PORT="not looked at")
    assert (ended.status, ended.err) == (0, "")
    assert tomllib.loads(ended.out) == {}, "as it is, it sets nothing"
    lines = ended.out.splitlines()
    live = [found[1:] if found.startswith("#") and found[1:2].isalpha() else found for found in lines]
    written = tmp_path / "all.toml"
    written.write_text("\n".join(live))
    assert set(tomllib.loads(written.read_text())) == set(KINDS)
    env = {"HOME": str(home)}
    assert read(env | {"PRO_ENGINE_CONFIG": str(written)}) == read(env)
    assert all(len(found) <= 120 for found in lines)
