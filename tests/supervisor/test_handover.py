"""A planned restart, with the stand-in for the daemon."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest

from supervisor.handover import first_of
from tests.supervisor.conftest import Reports, Start, body


async def test_the_next_daemon_stands_by_before_the_present_one_goes(start: Start) -> None:
    supervised = await start()
    first = await supervised.ready()
    supervised.signal(signal.SIGHUP)
    standby = await supervised.event("daemon_started", standby=True)
    change = supervised.looked_at
    assert (await supervised.event("daemon_exited"))["pid"] == first
    assert await supervised.ready(after=change) == standby["pid"] != first
    assert await supervised.get() == str(standby["pid"])
    runtime = supervised.runtime()
    assert (runtime["state"], runtime["restarts"], runtime["daemon_pid"]) == ("serving", 0, standby["pid"])


async def test_a_request_in_flight_is_finished_and_what_waits_is_served_by_the_next(
    start: Start, reports: Reports
) -> None:
    supervised = await start(reports.environ)
    await supervised.ready()
    in_flight = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGHUP)
    await reports.wait_for("standby")
    await reports.wait_for("draining")
    waiting = await supervised.connect()
    assert await body(*in_flight) == "finished"
    assert await body(*waiting) == str(await supervised.ready())


@pytest.mark.parametrize("wrong", ["wrong_settings", "crash_at_import"])
async def test_the_old_daemon_stays_where_the_standby_cannot_run(start: Start, tmp_path: Path, wrong: str) -> None:
    changing = tmp_path / "wrong"
    supervised = await start({"STAND_IN_FILE": str(changing)})
    first = await supervised.ready()
    changing.write_text(wrong)
    supervised.signal(signal.SIGHUP)
    await supervised.event("planned_restart_called_off")
    assert await supervised.get() == str(first)
    runtime = supervised.runtime()
    assert (runtime["state"], runtime["daemon_pid"]) == ("serving", first)
    assert "called off" in runtime["why"]
    changing.unlink()
    supervised.signal(signal.SIGHUP)
    assert await supervised.ready() != first


async def test_a_stop_in_the_middle_ends_both(start: Start, reports: Reports) -> None:
    supervised = await start(reports.environ)
    await supervised.ready()
    in_flight = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGHUP)
    await reports.wait_for("standby")
    supervised.signal(signal.SIGTERM)
    assert await body(*in_flight) == "finished"
    assert await supervised.exit_code() == 0


async def test_a_stop_before_the_standby_stands_by_is_told_as_a_stop_to_its_end(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        slow = {"STAND_IN": "ignore_term", "PRO_ENGINE_DRAIN_DEADLINE": "0.5"}
        supervised = await start({"NOTIFY_SOCKET": str(tmp_path / "notify"), **slow})
        await supervised.ready()
        supervised.signal(signal.SIGHUP)
        await supervised.event("daemon_started", standby=True)
        supervised.signal(signal.SIGTERM)
        assert await supervised.exit_code() == 0
        told = [systemd.recv(4096).decode()]
        while told[-1] != "STOPPING=1":
            told.append(systemd.recv(4096).decode())
    stopping = next(i for i, message in enumerate(told) if message.startswith("STOPPING=1"))
    assert not [message for message in told[stopping:] if message.startswith("READY=1")]
    assert "called off" not in "".join(supervised.output)


async def test_a_restart_called_off_while_the_daemon_starts_does_not_say_that_it_serves(
    start: Start, reports: Reports, tmp_path: Path
) -> None:
    changing = tmp_path / "wrong"
    changing.write_text("never_ready")
    supervised = await start({"STAND_IN_FILE": str(changing), **reports.environ})
    await reports.wait_for("ready")
    changing.write_text("wrong_settings")
    supervised.signal(signal.SIGHUP)
    await supervised.event("planned_restart_called_off")
    runtime = supervised.runtime()
    assert (runtime["state"], runtime["daemon_pid"]) == ("starting", None)
    assert "called off" in runtime["why"]


async def test_a_daemon_that_starts_is_not_asked_to_make_way_for_a_dead_standby(start: Start, reports: Reports) -> None:
    supervised = await start({"STAND_IN": "never_ready", **reports.environ})
    await reports.wait_for("ready")
    supervised.signal(signal.SIGHUP)
    standby = await supervised.event("daemon_started", standby=True)
    await reports.wait_for("standby")
    signal.pidfd_send_signal(supervised.daemons[standby["pid"]], signal.SIGKILL)
    await supervised.event("planned_restart_called_off")


async def test_quit_in_the_middle_leaves_at_once(start: Start, reports: Reports) -> None:
    supervised = await start({"STAND_IN": "ignore_hang_up", **reports.environ})
    await supervised.ready()
    in_flight = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGHUP)
    await reports.wait_for("hang_up_ignored")
    supervised.signal(signal.SIGQUIT)
    assert await supervised.exit_code() == 0
    assert await body(*in_flight) == "finished"


async def test_a_daemon_killed_while_the_standby_starts_is_replaced_by_it(start: Start) -> None:
    supervised = await start()
    first = await supervised.ready()
    supervised.signal(signal.SIGHUP)
    standby = await supervised.event("daemon_started", standby=True)
    signal.pidfd_send_signal(supervised.daemons[first], signal.SIGKILL)
    assert await supervised.ready() == standby["pid"]


async def test_a_standby_killed_as_its_turn_comes_is_replaced_as_any_daemon(start: Start, reports: Reports) -> None:
    supervised = await start(reports.environ)
    await supervised.ready()
    in_flight = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGHUP)
    standby = await supervised.event("daemon_started", standby=True)
    await reports.wait_for("draining")
    signal.pidfd_send_signal(supervised.daemons[standby["pid"]], signal.SIGKILL)
    assert await body(*in_flight) == "finished"
    assert (await supervised.event("daemon_started", standby=False))["pid"] != standby["pid"]
    await supervised.ready()


async def test_one_that_has_just_taken_over_is_not_asked_to_go_before_it_is_ready(start: Start) -> None:
    supervised = await start()
    await supervised.ready()
    for _ in range(3):
        supervised.signal(signal.SIGHUP)
        standby = await supervised.event("daemon_started", standby=True)
        change = supervised.looked_at
        assert (await supervised.event("daemon_exited"))["code"] == 0
    await supervised.event("daemon_ready", after=change, pid=standby["pid"])


async def test_systemd_is_told_reloading_with_its_clock_and_ready_again(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        supervised = await start({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        await supervised.ready()
        supervised.signal(signal.SIGHUP)
        await supervised.ready()
        systemd.setblocking(False)
        told: list[str] = []
        while len([message for message in told if message.startswith("READY=1")]) < 2:
            told.append(systemd.recv(4096).decode())
    reloading = next(message for message in told if message.startswith("RELOADING=1"))
    usec = int(reloading.partition("MONOTONIC_USEC=")[2])
    assert 0 < usec <= asyncio.get_running_loop().time() * 1_000_000
    assert told.index(reloading) > next(i for i, message in enumerate(told) if message.startswith("READY=1"))


async def test_the_standby_has_no_descriptor_of_the_old_one(start: Start) -> None:
    supervised = await start()
    await supervised.ready()
    supervised.signal(signal.SIGHUP)
    await supervised.ready()
    assert json.loads(await supervised.get("/environ"))["PRO_ENGINE_STANDBY"] == "1"
    supervised.signal(signal.SIGHUP)
    third = await supervised.ready()
    pipes = [entry.readlink() for entry in Path(f"/proc/{third}/fd").iterdir() if "pipe:" in str(entry.readlink())]
    assert len(pipes) <= 5  # lifeline, heartbeat, standard output and error, and asyncio's own at most


async def test_of_several_waits_the_first_ends_all() -> None:
    never = asyncio.Event()
    await first_of(never.wait(), asyncio.sleep(0))
    await first_of(never.wait(), seconds=0)
    assert len(asyncio.all_tasks()) <= 2
