from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from supervisor.child import Launch, spawn
from tests.supervisor.conftest import Reports, Start, body


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
    left = {path.name for path in supervised.state_dir.iterdir()}
    assert left == {"supervisor.lock", "store.lock", "daemons.json"}


async def test_a_second_signal_kills_at_once(start: Start, reports: Reports) -> None:
    supervised = await start({"STAND_IN": "ignore_term", **reports.environ})
    await supervised.ready()
    supervised.signal(signal.SIGINT)
    await reports.wait_for("term_ignored")
    supervised.signal(signal.SIGTERM)
    assert (await supervised.event("daemon_exited"))["code"] == -signal.SIGKILL
    assert await supervised.exit_code() == 0


async def test_two_signals_that_come_together_hurry_the_daemon_and_kill_none(start: Start) -> None:
    """It must hear of both: after the first alone it would drain, and be killed in the middle of that."""
    supervised = await start({"STAND_IN": "stop_when_told_twice"})
    await supervised.ready()
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        supervised.signal(number)
    assert (await supervised.event("daemon_exited"))["code"] == 0
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


async def test_a_start_without_a_descriptor_left_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a shortage that passes would leave the supervisor without any."""
    pipe, left = os.pipe, iter([True, False])

    def scarce() -> tuple[int, int]:
        if next(left):
            return pipe()
        raise OSError(errno.EMFILE, "no descriptor left")

    monkeypatch.setattr(os, "pipe", scarce)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match="no descriptor left"):
        spawn(Launch(("true",), (), "x", {}))
    assert set(Path("/proc/self/fd").iterdir()) == before


async def test_each_daemon_is_told_how_many_before_it_ended_unasked(start: Start) -> None:
    supervised = await start({"PRO_ENGINE_RESTARTS": "99"})
    for ended in range(3):
        pid = await supervised.ready()
        assert json.loads(await supervised.get("/environ"))["PRO_ENGINE_RESTARTS"] == str(ended)
        assert supervised.runtime()["restarts"] == ended
        os.kill(pid, signal.SIGKILL)
    await supervised.ready()
    supervised.signal(signal.SIGHUP)
    await supervised.ready()
    assert json.loads(await supervised.get("/environ"))["PRO_ENGINE_RESTARTS"] == "3", "a planned restart is none"
