"""`pro-engine status`: is it running, where, on what."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.api.conftest import Service
from tests.cli.conftest import Command


async def test_it_tells_where_and_on_what(command: Command, published: Service) -> None:
    ended = await command("status")
    assert (ended.status, ended.err) == (0, "")
    assert f"healthy at http://127.0.0.1:{published.port}" in ended.out
    assert "CPU" in ended.out
    ended = await command("status", "--json")
    assert json.loads(ended.out)["status"] == "healthy"
    published.parts.submission.draining = True
    assert (await command("status")).status == 1


async def test_without_a_service_it_says_how_to_start_one(command: Command) -> None:
    ended = await command("status")
    assert ended.status == 69
    assert "pro-engine run" in ended.err
    assert "Traceback" not in ended.err


async def test_what_a_killed_service_left_behind_is_no_service(command: Command, home: Path) -> None:
    await command("token")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for left in (f'{{"host": "127.0.0.1", "port": {port}}}', '{"host": "127.0.0.1"}', "", "[]", '{"port": "x"}'):
        (home / "state" / "runtime.json").write_text(left)
        ended = await command("status")
        assert ended.status == 69
        assert "Traceback" not in ended.err
