"""What signals mean."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from supervisor.lock import record_holder
from tests.supervisor.conftest import PATIENCE, ROOT, STAND_IN, Reports, Start, body


async def test_quit_leaves_the_daemon_to_finish_what_is_in_flight(start: Start, reports: Reports) -> None:
    supervised = await start({**reports.environ})
    await supervised.ready()
    in_flight = await supervised.connect("/until-drain")
    await reports.wait_for("in_flight")
    supervised.signal(signal.SIGQUIT)
    assert await supervised.exit_code() == 0
    await reports.wait_for("lifeline_ended")
    assert await body(*in_flight) == "finished"
    assert not (supervised.state_dir / "runtime.json").exists()


async def test_quit_during_backoff_ends_at_once(start: Start) -> None:
    supervised = await start(
        {"STAND_IN": "crash_at_import", "PRO_ENGINE_BACKOFF_FIRST": "600", "PRO_ENGINE_BACKOFF_MAX": "600"}
    )
    await supervised.event("daemon_restarting", failures=2)
    supervised.signal(signal.SIGQUIT)
    assert await supervised.exit_code() == 0


@pytest.mark.parametrize("order", [[signal.SIGTERM, signal.SIGHUP], [signal.SIGHUP, signal.SIGTERM]])
async def test_a_hang_up_beside_a_stop_starts_nothing(start: Start, order: list[signal.Signals]) -> None:
    """As a session that ends sends both; here they wait together for a supervisor that is stopped."""
    supervised = await start({"STAND_IN": "ignore_term", "PRO_ENGINE_DRAIN_DEADLINE": "0.5"})
    daemon = await supervised.ready()
    for number in (signal.SIGSTOP, *order, signal.SIGCONT):
        supervised.signal(number)
    assert await supervised.exit_code() == 0
    assert set(supervised.daemons) == {daemon}
    assert '"standby": true' not in "".join(supervised.output)


async def test_a_hang_up_after_a_stop_neither_hurries_nor_restarts(start: Start, reports: Reports) -> None:
    supervised = await start({"STAND_IN": "ignore_term", "PRO_ENGINE_DRAIN_DEADLINE": "1", **reports.environ})
    await supervised.ready()
    supervised.signal(signal.SIGTERM)
    await reports.wait_for("term_ignored")
    supervised.signal(signal.SIGHUP)
    await supervised.event("daemon_drain_deadline_missed")
    assert await supervised.exit_code() == 0
    assert '"standby": true' not in "".join(supervised.output)


async def test_a_closed_terminal_stops_and_does_not_restart(tmp_path: Path) -> None:
    """It sends SIGHUP, as `systemctl reload` does."""
    state_dir, ours = tmp_path / "state", {"PATH": os.environ["PATH"], "PRO_ENGINE_PORT": "0"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        command = [sys.executable, "-m", "supervisor", "--", sys.executable, str(STAND_IN)]
        os.execve(sys.executable, command, ours | {"PRO_ENGINE_STATE_DIR": str(state_dir)})
    pidfd = os.pidfd_open(pid)
    ended, seen, ready = asyncio.Event(), bytearray(), asyncio.Event()

    def read() -> None:
        with contextlib.suppress(OSError):
            seen.extend(os.read(terminal, 4096))
        if b"daemon_ready" in seen:
            ready.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, ended.set)
    loop.add_reader(terminal, read)
    async with asyncio.timeout(PATIENCE):
        await ready.wait()
        loop.remove_reader(terminal)
        os.close(terminal)
        await ended.wait()
    loop.remove_reader(pidfd)
    os.close(pidfd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not (state_dir / "runtime.json").exists()


async def test_a_new_supervisor_clears_the_daemon_of_a_killed_one_and_has_its_port(
    start: Start, reports: Reports
) -> None:
    first = await start({"STAND_IN": "ignore_lifeline", **reports.environ})
    stale, port = await first.ready(), first.runtime()["port"]
    first.signal(signal.SIGKILL)
    second = await start({"PRO_ENGINE_PORT": str(port)})
    await second.event("stale_daemon_cleared")
    assert await second.ready() != stale
    assert second.runtime()["port"] == port
    await reports.wait_for("draining")


async def test_a_daemon_that_stopped_before_it_had_the_lock_is_cleared_by_the_ledger(
    start: Start, reports: Reports
) -> None:
    """It holds the listener from its birth, and the lock, which attests it, only later."""
    first = await start({"STAND_IN": "stop_before_lock", **reports.environ})
    await first.event("daemon_started")
    await reports.wait_for("stopping_itself")
    port = first.runtime()["port"]
    lock = os.open(first.state_dir / "store.lock", os.O_RDWR | os.O_CREAT)
    assert record_holder(lock) is None
    os.close(lock)
    first.signal(signal.SIGKILL)
    second = await start({"PRO_ENGINE_PORT": str(port)})
    await second.ready()
    assert second.runtime()["port"] == port


async def test_a_daemon_that_beats_but_does_not_answer_is_replaced(start: Start, tmp_path: Path) -> None:
    changing = tmp_path / "wrong"
    changing.write_text("deaf")
    asking = {"PRO_ENGINE_HEALTH_EVERY": "0.1", "PRO_ENGINE_HEALTH_DEADLINE": "0.2"}
    supervised = await start({"STAND_IN_FILE": str(changing), **asking})
    deaf = await supervised.ready()
    changing.unlink()
    await supervised.event("daemon_hung", deadline="health", pid=deaf)
    assert await supervised.get() == str(await supervised.ready())
