"""`pro-engine token`: the bearer, made once and kept to its owner."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.cli.conftest import Command


async def test_it_is_made_once_and_is_readable_by_its_owner_alone(command: Command, home: Path) -> None:
    first, second = await command("token"), await command("token")
    assert (first.status, first.err) == (0, "")
    assert first.out == second.out
    assert len(first.out.strip()) > 30
    for name in ("token", "secret"):
        assert stat.S_IMODE((home / "state" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "state").stat().st_mode) == 0o700


async def test_a_member_of_the_group_gets_the_one_of_the_machines_service(command: Command, home: Path) -> None:
    shared = home / "shared"
    shared.mkdir()
    (shared / "runtime.json").write_text('{"host": "127.0.0.1", "port": 1}')
    (shared / "token").write_text("the machine's\n")
    assert (await command("token", PRO_ENGINE_SHARED_DIR=str(shared))).out == "the machine's\n"
    own = (await command("token")).out
    (home / "state" / "runtime.json").write_text('{"host": "127.0.0.1", "port": 1}')
    assert (await command("token", PRO_ENGINE_SHARED_DIR=str(shared))).out == own
