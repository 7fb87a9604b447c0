from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.supervisor.conftest import Start, body, free_port


async def test_a_connection_made_while_the_daemon_is_dead_is_answered_by_the_next(start: Start) -> None:
    supervised = await start({"PRO_ENGINE_BACKOFF_FIRST": "1"})
    first = await supervised.ready()
    port = supervised.runtime()["port"]
    os.kill(first, signal.SIGSTOP)  # so that the connection below is surely not its own to answer
    reader, writer = await supervised.connect()
    os.kill(first, signal.SIGKILL)
    second = await supervised.ready()
    assert await body(reader, writer) == str(second) != str(first)
    assert supervised.runtime()["port"] == port


async def test_a_foreign_holder_is_named_and_left_alone_and_the_next_port_is_published(start: Start) -> None:
    port = free_port()
    code = f"import socket,sys; s=socket.create_server(('127.0.0.1',{port})); print(1,flush=True); sys.stdin.read()"
    decoy = await asyncio.create_subprocess_exec(  # with our name in its command line, which proves nothing
        sys.executable,
        "-c",
        code,
        "pro-engine",
        "daemon",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert decoy.stdin
    assert decoy.stdout
    await decoy.stdout.readline()
    supervised = await start({"PRO_ENGINE_PORT": str(port)})
    taken = await supervised.event("port_taken")
    await supervised.ready()
    assert taken["wanted"] == port
    assert f"pid {decoy.pid}" in taken["holders"][0]
    assert supervised.runtime()["port"] == taken["using"] == port + 1
    assert any(line.startswith(f"Port {port} is held by") for line in supervised.output)
    assert decoy.returncode is None
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    await decoy.communicate(b"")
    assert decoy.returncode == 0


async def test_a_second_start_exits_100_with_the_address_of_the_first(start: Start) -> None:
    first = await start()
    await first.ready()
    second = await start()
    assert await second.exit_code() == 100
    assert f"http://127.0.0.1:{first.runtime()['port']}" in second.output[-2]
    assert await first.get()


async def test_of_several_at_once_one_wins_and_the_others_tell_its_address(start: Start) -> None:
    several = [await start() for _ in range(5)]
    ends = {asyncio.ensure_future(one.process.wait()): one for one in several}
    while len(ends) > 1:
        done, _ = await asyncio.wait(ends, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert done
        for loser in [ends.pop(task) for task in done]:
            assert await loser.exit_code() == 100
            assert f"http://127.0.0.1:{loser.runtime()['port']}" in loser.output[-2]
    (waiting, winner), *_ = ends.items()
    await winner.ready()
    waiting.cancel()


async def test_a_stale_runtime_file_is_not_taken_for_the_running_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    stale = {"instance": "x", "pid": 1, "start_ticks": 1, "boot_id": "x", "host": "127.0.0.1", "port": 9, "protocol": 1}
    (tmp_path / "state" / "runtime.json").write_text(json.dumps(stale))
    first, second = await start(), await start()
    loser = await asyncio.wait(
        {asyncio.create_task(one.process.wait(), name=str(one.pid)) for one in (first, second)},
        timeout=20,
        return_when=asyncio.FIRST_COMPLETED,
    )
    lost = first if next(iter(loser[0])).get_name() == str(first.pid) else second
    assert await lost.exit_code() == 100
    assert ":9" not in lost.output[-2].replace(str(lost.runtime()["port"]), "")
    for pending in loser[1]:
        pending.cancel()


async def test_a_daemon_that_crashes_at_import_is_tried_again_with_growing_delays(start: Start) -> None:
    supervised = await start({"STAND_IN": "crash_at_import"})
    delays = [(await supervised.event("daemon_restarting"))["delay"] for _ in range(4)]
    assert delays[0] == 0
    assert delays == sorted(delays)


@pytest.mark.parametrize("code", [64, 78])
async def test_a_wrong_configuration_stops_everything_with_78(start: Start, code: int) -> None:
    supervised = await start({"STAND_IN_EXIT": str(code)})
    assert await supervised.exit_code() == 78
    assert not (supervised.state_dir / "runtime.json").exists()


async def test_a_command_that_cannot_be_executed_is_a_wrong_configuration(start: Start) -> None:
    supervised = await start(daemon=("/nonexistent/daemon",))
    assert await supervised.exit_code() == 78


@pytest.mark.parametrize("code", [0, 75])
async def test_a_daemon_that_ends_by_itself_is_restarted_at_once(start: Start, code: int) -> None:
    supervised = await start()
    first = await supervised.ready()
    await supervised.get(f"/exit/{code}")
    assert (await supervised.event("daemon_restarting"))["delay"] == 0
    assert await supervised.ready() != first


async def test_two_state_folders_live_side_by_side(start: Start, tmp_path: Path) -> None:
    port = free_port()
    first = await start({"PRO_ENGINE_PORT": str(port)}, state_dir=tmp_path / "one")
    await first.ready()
    second = await start({"PRO_ENGINE_PORT": str(port)}, state_dir=tmp_path / "two")
    await second.ready()
    assert first.runtime()["port"] == port != second.runtime()["port"]
    first.signal(signal.SIGTERM)
    assert await first.exit_code() == 0
    assert await second.get()


async def test_systemd_is_told_ready_watchdog_and_stopping(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        supervised = await start({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"})
        await supervised.ready()
        supervised.signal(signal.SIGTERM)
        assert await supervised.exit_code() == 0
        systemd.setblocking(False)
        told: list[str] = []
        while not told or told[-1] != "STOPPING=1":
            told.append(systemd.recv(4096).decode())
    assert "WATCHDOG=1" in told
    assert any(message.startswith("READY=1\nSTATUS=serving on http://127.0.0.1:") for message in told)
    assert told.index("WATCHDOG=1") < told.index("STOPPING=1")
