"""A daemon that fails too often: the supervisor answers in its place, and tries again."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

from tests.supervisor.conftest import Start

OFTEN = {"PRO_ENGINE_CRASHES_MOST": "2", "PRO_ENGINE_RETRY_EVERY": "600"}


async def test_the_socket_stays_and_answers_503_with_the_reason(start: Start) -> None:
    supervised = await start({"STAND_IN": "crash_at_import", **OFTEN})
    degraded = await supervised.event("degraded")
    problem = json.loads(await supervised.get("/api/jobs"))
    assert (problem["status"], problem["code"], problem["error_id"]) == (
        503,
        "daemon_unavailable",
        degraded["error_id"],
    )
    assert "before it was ready" in problem["message"]
    runtime = supervised.runtime()
    assert (runtime["state"], runtime["daemon_pid"], runtime["restarts"]) == ("degraded", None, 3)
    assert runtime["why"] == degraded["reason"]
    supervised.signal(signal.SIGTERM)
    assert await supervised.exit_code() == 0


async def test_it_recovers_by_itself_once_the_cause_is_gone(start: Start, tmp_path: Path) -> None:
    changing = tmp_path / "wrong"
    changing.write_text("crash_at_import")
    supervised = await start({"STAND_IN_FILE": str(changing), **OFTEN, "PRO_ENGINE_RETRY_EVERY": "0.2"})
    await supervised.event("degraded")
    changing.unlink()
    again = await supervised.ready()
    assert await supervised.get() == str(again)


async def test_a_hang_up_signal_makes_it_try_at_once(start: Start, tmp_path: Path) -> None:
    changing = tmp_path / "wrong"
    changing.write_text("crash_at_import")
    supervised = await start({"STAND_IN_FILE": str(changing), **OFTEN})
    await supervised.event("degraded")
    changing.unlink()
    supervised.signal(signal.SIGHUP)
    again = await supervised.ready()
    assert await supervised.get() == str(again)


async def test_the_second_try_is_in_safe_mode_and_a_planned_restart_leaves_it(start: Start, tmp_path: Path) -> None:
    changing = tmp_path / "wrong"
    changing.write_text("crash_unless_safe")
    supervised = await start({"STAND_IN_FILE": str(changing), **OFTEN, "PRO_ENGINE_RETRY_EVERY": "0.2"})
    await supervised.event("daemon_started", safe_mode=True)
    await supervised.ready()
    assert json.loads(await supervised.get("/environ"))["PRO_ENGINE_SAFE_MODE"] == "1"
    assert supervised.runtime()["safe_mode"] is True
    changing.unlink()
    supervised.signal(signal.SIGHUP)
    await supervised.ready()
    assert "PRO_ENGINE_SAFE_MODE" not in json.loads(await supervised.get("/environ"))
    assert supervised.runtime()["safe_mode"] is False


async def test_settings_broken_in_a_running_service_do_not_end_it(start: Start, tmp_path: Path) -> None:
    changing = tmp_path / "wrong"
    supervised = await start({"STAND_IN_FILE": str(changing), **OFTEN, "PRO_ENGINE_RETRY_EVERY": "0.2"})
    first = await supervised.ready()
    changing.write_text("wrong_settings")
    signal.pidfd_send_signal(supervised.daemons[first], signal.SIGKILL)
    degraded = await supervised.event("degraded")
    assert "refused its settings" in degraded["reason"]
    changing.unlink()
    again = await supervised.ready()
    assert await supervised.get() == str(again)


async def test_a_degraded_unit_is_ready_for_systemd(start: Start, tmp_path: Path) -> None:
    """Else systemd ends it at its start deadline, and with it the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        supervised = await start({"STAND_IN": "crash_at_import", "NOTIFY_SOCKET": str(tmp_path / "notify"), **OFTEN})
        await supervised.event("degraded")
        await supervised.get("/")
        systemd.setblocking(False)
        message = ""
        while not message.startswith("READY=1\nSTATUS=degraded"):
            message = systemd.recv(4096).decode()


async def test_clients_learn_that_the_one_who_answers_is_us(start: Start) -> None:
    supervised = await start({"STAND_IN": "crash_at_import", **OFTEN})
    await supervised.event("degraded")
    (supervised.state_dir / "secret").write_text("s3cret\n")
    health = json.loads(await supervised.get("/health?challenge=abc"))
    assert health["status"] == "degraded"
    assert len(health["proof"]) == 64


async def test_a_long_pause_before_the_next_try_is_answered_too(start: Start) -> None:
    waits = {"PRO_ENGINE_BACKOFF_FIRST": "600", "PRO_ENGINE_BACKOFF_MAX": "600"}
    supervised = await start({"STAND_IN": "crash_at_import", **waits})
    await supervised.event("daemon_restarting", failures=2)
    assert json.loads(await supervised.get("/api/jobs"))["code"] == "daemon_unavailable"
    assert supervised.runtime()["state"] == "restarting"


async def test_a_listed_page_may_read_the_reason(start: Start) -> None:
    page = {"PRO_ENGINE_ORIGINS": "http://localhost:3002"}
    supervised = await start({"STAND_IN": "crash_at_import", **OFTEN, **page})
    await supervised.event("degraded")
    for origin, allowed in (("http://localhost:3002", True), ("http://localhost:3003", False), ("null", False)):
        for method in ("GET", "OPTIONS"):
            reader, writer = await asyncio.open_connection("127.0.0.1", supervised.runtime()["port"])
            writer.write(f"{method} /health HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
            assert (f"Access-Control-Allow-Origin: {origin}\r\n" in answer) is allowed
            assert answer.startswith("HTTP/1.1 204" if allowed and method == "OPTIONS" else "HTTP/1.1 503")
