from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.supervisor.conftest import Reports, Start, body, free_port


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


async def test_what_a_dead_daemon_started_does_not_outlive_it(start: Start) -> None:
    supervised = await start()
    daemon = await supervised.ready()
    orphan = os.pidfd_open(int(await supervised.get("/lone-child")))
    os.kill(daemon, signal.SIGKILL)
    await supervised.event("daemon_exited")
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(orphan, ended.set)
    async with asyncio.timeout(5):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(orphan)
    os.close(orphan)


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


async def test_term_lets_the_request_in_flight_finish_and_exits_0_without_a_runtime_file(
    start: Start, reports: Reports
) -> None:
    supervised = await start(reports.environ)
    await supervised.ready()
    reader, writer = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGTERM)
    assert await body(reader, writer) == "finished"
    assert await supervised.exit_code() == 0
    assert [path.name for path in supervised.state_dir.iterdir()] == ["supervisor.lock"]


async def test_a_second_signal_kills_at_once(start: Start, reports: Reports) -> None:
    supervised = await start({"STAND_IN": "ignore_term", **reports.environ})
    await supervised.ready()
    supervised.signal(signal.SIGINT)
    await reports.wait_for("term_ignored")
    supervised.signal(signal.SIGTERM)
    assert (await supervised.event("daemon_exited"))["code"] == -signal.SIGKILL
    assert await supervised.exit_code() == 0


async def test_a_daemon_that_ignores_term_is_aborted_at_the_drain_deadline(start: Start) -> None:
    supervised = await start({"STAND_IN": "ignore_term", "PRO_ENGINE_DRAIN_DEADLINE": "0.2"})
    await supervised.ready()
    supervised.signal(signal.SIGTERM)
    await supervised.event("daemon_drain_deadline_missed")
    assert (await supervised.event("daemon_exited"))["code"] == -signal.SIGABRT
    assert await supervised.exit_code() == 0


async def test_term_while_the_daemon_starts_ends_cleanly(start: Start) -> None:
    supervised = await start()
    await supervised.event("daemon_started")
    supervised.signal(signal.SIGTERM)
    assert await supervised.exit_code() == 0


async def test_term_during_backoff_ends_at_once(start: Start) -> None:
    supervised = await start(
        {"STAND_IN": "crash_at_import", "PRO_ENGINE_BACKOFF_FIRST": "600", "PRO_ENGINE_BACKOFF_MAX": "600"}
    )
    await supervised.event("daemon_restarting", failures=2)
    supervised.signal(signal.SIGTERM)
    assert await supervised.exit_code() == 0


async def test_a_hung_loop_is_aborted_with_its_traceback_and_replaced(start: Start) -> None:
    supervised = await start({"PRO_ENGINE_HEARTBEAT_DEADLINE": "1"})
    first = await supervised.ready()
    _, writer = await supervised.connect("/hang")
    await supervised.event("daemon_hung", deadline="beat", pid=first)
    assert (await supervised.event("daemon_exited"))["code"] == -signal.SIGABRT
    assert any("in answer" in line for line in supervised.output), "faulthandler names the function that hangs"
    assert await supervised.ready() != first
    writer.close()


async def test_a_stopped_daemon_is_replaced(start: Start) -> None:
    supervised = await start({"PRO_ENGINE_HEARTBEAT_DEADLINE": "1"})
    first = await supervised.ready()
    os.kill(first, signal.SIGSTOP)
    await supervised.event("daemon_hung", deadline="beat", pid=first)
    assert await supervised.ready() != first


async def test_a_daemon_that_hangs_while_it_drains_is_not_waited_for(start: Start) -> None:
    supervised = await start({"STAND_IN": "hang_in_drain", "PRO_ENGINE_HEARTBEAT_DEADLINE": "1"})
    await supervised.ready()
    supervised.signal(signal.SIGTERM)
    await supervised.event("daemon_hung", deadline="beat")
    assert await supervised.exit_code() == 0


async def test_a_daemon_that_is_never_ready_misses_its_start_deadline(start: Start) -> None:
    supervised = await start({"STAND_IN": "never_ready", "PRO_ENGINE_START_DEADLINE": "1"})
    await supervised.event("daemon_hung", deadline="start")
    assert (await supervised.event("daemon_exited"))["code"] == -signal.SIGABRT
    await supervised.event("daemon_started")


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


async def test_the_daemon_sees_its_lifeline_end_when_the_supervisor_is_killed(start: Start, reports: Reports) -> None:
    supervised = await start(reports.environ)
    await supervised.ready()
    supervised.signal(signal.SIGKILL)
    await reports.wait_for("lifeline_ended")


async def test_a_supervisor_that_was_stopped_does_not_blame_the_daemon(start: Start) -> None:
    """Stopped for longer than the deadline, both; the daemon is given time to speak again."""
    supervised = await start({"PRO_ENGINE_HEARTBEAT_DEADLINE": "2.5"})
    daemon = await supervised.ready()
    os.kill(daemon, signal.SIGSTOP)
    supervised.signal(signal.SIGSTOP)
    await asyncio.sleep(5)  # the length of the stop is what is tested
    supervised.signal(signal.SIGCONT)
    os.kill(daemon, signal.SIGCONT)
    assert await supervised.get() == str(daemon)
    supervised.signal(signal.SIGTERM)
    assert await supervised.exit_code() == 0
    assert not any("daemon_hung" in line for line in supervised.output)


async def test_neither_listener_nor_lock_reaches_a_grandchild(start: Start) -> None:
    supervised = await start()
    daemon = await supervised.ready()
    of_daemon = [str(entry.readlink()) for entry in Path(f"/proc/{daemon}/fd").iterdir()]
    of_grandchild = json.loads(await supervised.get("/descriptors")).values()
    assert not any("supervisor.lock" in target for target in [*of_daemon, *of_grandchild])
    assert not any(target.startswith("socket:") for target in of_grandchild)


async def test_the_daemon_gets_its_descriptors_and_nothing_of_systemds(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        supervised = await start(
            {
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "30000000",
                "LISTEN_FDS": "1",
                "LISTEN_PID": "1",
            }
        )
        await supervised.ready()
        environ = json.loads(await supervised.get("/environ"))
    assert environ["PRO_ENGINE_INSTANCE"] == supervised.runtime()["instance"]
    assert environ["PYTHONFAULTHANDLER"] == "1"
    assert {"PRO_ENGINE_LISTEN_FDS", "PRO_ENGINE_LIFELINE_FD", "PRO_ENGINE_HEARTBEAT_FD"} <= environ.keys()
    assert not environ.keys() & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}


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
