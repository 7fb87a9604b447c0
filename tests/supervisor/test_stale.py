"""What a dead supervisor left behind is ended, and nobody else: every decoy here is asked whether it still lives."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from supervisor import stale
from supervisor.process_handle import ProcessHandle
from supervisor.spawned import LEDGER_NAME, identify, recall, remember
from supervisor.stale import clear_by_ledger, clear_stale_daemon
from tests.supervisor.conftest import PATIENCE, ROOT, Reports, Start, free_port
from tests.supervisor.decoys import NOBODY, UNSHARE, Decoy, decoy, is_alive, needs_root, needs_unshare

TOKEN = {"PRO_ENGINE_INSTANCE": "token"}
needs_group_signal = pytest.mark.skipif(
    tuple(map(int, platform.release().split(".")[:2])) < (6, 9), reason="the kernel cannot signal a group by pidfd"
)


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[Decoy]:
    """A daemon whose supervisor is gone: it holds the store's lock and the port, and has a worker."""
    options = ("--orphan", "--lock", tmp_path / "store.lock", "--listen", f"127.0.0.1:{free_port()}", "--worker")
    with decoy(*options, environ=TOKEN) as running:
        yield running


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        stale, "STEPS", [(number, min(seconds, 0.1)) for number, seconds in stale.STEPS[:-1]] + [stale.STEPS[-1]]
    )


def lock_is_free(state_dir: Path) -> bool:
    with (state_dir / "store.lock").open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@pytest.mark.parametrize("stopped", [False, True])
async def test_the_holder_of_the_stores_lock_is_ended(tmp_path: Path, leftover: Decoy, stopped: bool) -> None:
    if stopped:
        leftover.stop()
    assert await clear_stale_daemon(tmp_path)
    assert not leftover.alive
    assert lock_is_free(tmp_path)
    assert not await clear_stale_daemon(tmp_path)


@needs_group_signal
async def test_its_worker_goes_with_it(tmp_path: Path, leftover: Decoy) -> None:
    assert await clear_stale_daemon(tmp_path)
    (worker,) = leftover.family
    assert leftover.gone(worker)


@pytest.mark.usefixtures("hurried")
async def test_one_that_does_not_listen_is_asked_twice_then_aborted_then_killed(tmp_path: Path) -> None:
    with decoy("--orphan", "--lock", tmp_path / "store.lock", "--ignore", "SIGTERM", "SIGABRT") as deaf:
        assert await clear_stale_daemon(tmp_path)
        assert deaf.said() == ["SIGTERM", "SIGTERM", "SIGABRT"]


async def test_a_folder_without_a_held_lock_has_nothing_to_clear(tmp_path: Path) -> None:
    assert not await clear_stale_daemon(tmp_path)
    assert not await clear_stale_daemon(tmp_path / "missing")
    (tmp_path / "store.lock").touch()
    assert not await clear_stale_daemon(tmp_path)


async def test_our_own_child_is_no_leftover(tmp_path: Path) -> None:
    with decoy("--lock", tmp_path / "store.lock", environ=TOKEN) as child:
        remember(tmp_path, child.pid, "token")
        assert not await clear_stale_daemon(tmp_path)
        assert not await clear_by_ledger(tmp_path)
        assert child.alive


@needs_root
async def test_another_users_process_is_not_signalled_even_by_root(tmp_path: Path) -> None:
    options = ("--orphan", "--lock", tmp_path / "store.lock", "--user", NOBODY)
    with decoy(*options, environ=TOKEN) as other:
        found = identify(other.pid, "token")
        assert found
        write_ledger(tmp_path, asdict(found))
        assert not await clear_stale_daemon(tmp_path)
        assert not await clear_by_ledger(tmp_path)
        assert other.alive


async def test_one_that_may_not_be_signalled_is_left_and_said_so(
    tmp_path: Path, leftover: Decoy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(signal, "pidfd_send_signal", refuse)
        assert not await clear_stale_daemon(tmp_path)
    assert leftover.alive


@needs_unshare
async def test_a_holder_outside_of_our_container_is_not_signalled(tmp_path: Path, leftover: Decoy) -> None:
    """The kernel gives its pid as 0 there, and kill(0) would hit our own group."""
    says = "import asyncio, pathlib, sys; from supervisor.stale import clear_stale_daemon as clear; "
    says += "print(asyncio.run(clear(pathlib.Path(sys.argv[1]))))"
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-P", "-c", says, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "False"
    assert "store_held_in_another_container" in done.stdout + done.stderr
    assert leftover.alive


IN_CONTAINER = """
import asyncio, os, pathlib, subprocess, sys
from supervisor import spawned, stale
folder, leftover, remembers = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "remembers"
daemon = subprocess.Popen([sys.executable, leftover], stdout=subprocess.PIPE)
daemon.stdout.readline()
if remembers:
    spawned.remember(folder, daemon.pid, "token")
elif os.fork() == 0:  # as another child, because one that is our own would be spared anyway
    sys.exit(asyncio.run(stale.clear_by_ledger(folder)))
else:
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0, "something was cleared"
print(daemon.pid, daemon.poll())
"""


@needs_unshare
def test_a_small_pid_that_comes_back_in_the_next_container_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    """Same pid, user, program, environment and boot: only the start time differs."""

    def start(what: str) -> str:
        arguments = (str(tmp_path), str(Path(__file__).with_name("leftover.py")), what)
        done = subprocess.run(
            [*UNSHARE, sys.executable, "-P", "-c", IN_CONTAINER, *arguments],
            env=os.environ | TOKEN | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    first = start("remembers")
    (remembered,) = recall(tmp_path)
    assert first == f"{remembered.pid} None\n"
    assert start("clears") == first


async def test_a_process_that_ended_while_it_was_looked_at_is_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock still names its number, as if a stranger had been given it: what dies is only the one that was held."""
    with decoy("--orphan", "--lock", tmp_path / "store.lock") as ended, decoy() as stranger:
        answers = iter([ended.pid, ended.pid])

        def ask(_: int) -> int | None:
            answer = next(answers, None)
            if answer and ended.alive and not list(answers):
                ended.signal(signal.SIGKILL)
                assert ended.gone()
            return answer

        monkeypatch.setattr(stale, "record_holder", ask)
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a number was signalled"))
        await clear_stale_daemon(tmp_path)
        assert stranger.alive


async def test_a_lock_that_changed_hands_while_it_was_looked_at_allows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with decoy("--orphan") as stranger:
        (tmp_path / "store.lock").touch()
        answers = iter([stranger.pid, stranger.pid + 1])
        monkeypatch.setattr(stale, "record_holder", lambda _: next(answers))
        assert not await clear_stale_daemon(tmp_path)
        assert stranger.alive


async def test_a_remembered_daemon_that_keeps_the_port_is_ended_and_forgotten(tmp_path: Path) -> None:
    port = free_port()
    with decoy("--orphan", "--listen", f"127.0.0.1:{port}", environ=TOKEN) as daemon:
        remember(tmp_path, daemon.pid, "token")
        daemon.stop()
        assert await clear_by_ledger(tmp_path)
        assert not daemon.alive
        assert recall(tmp_path) == []
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("wrong", [
    {"start_ticks": 1},
    {"boot_id": "another"},
    {"uid": 4242},
    {"exe": "/usr/bin/node"},
    {"instance": "toke"},
    {"instance": "token2"},
    {"pid": os.getpid()},
    {"pid": 1},
    {"pid": 0},
    {"pid": -1},
    {"pid": 1 << 40},
])  # fmt: skip
async def test_a_ledger_that_is_wrong_in_anything_allows_no_signal(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with decoy("--orphan", environ=TOKEN) as stranger:
        found = identify(stranger.pid, "token")
        assert found
        write_ledger(tmp_path, asdict(replace(found, **wrong)))
        assert not await clear_by_ledger(tmp_path)
        assert stranger.alive


async def test_neither_our_name_nor_our_command_line_nor_an_old_ledger_allow_a_signal(tmp_path: Path) -> None:
    (tmp_path / "store.lock").touch()
    environ = {"PRO_ENGINE_STATE_DIR": str(tmp_path), "PRO_ENGINE_LISTEN_FDS": "3"}
    with decoy("--orphan", environ=environ, argv0="pro-engine") as stranger:
        old = {"start_ticks": 5, "boot_id": "b", "uid": os.getuid(), "exe": sys.executable, "instance": "i"}
        write_ledger(tmp_path, old | {"pid": stranger.pid})
        assert not await clear_stale_daemon(tmp_path)
        assert not await clear_by_ledger(tmp_path)
        assert stranger.alive


async def test_one_that_takes_the_lock_from_the_first_is_cleared_as_well(
    tmp_path: Path, leftover: Decoy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby of the dead supervisor may be quicker with the lock than with its own end."""
    with ExitStack() as stack:
        standby: list[Decoy] = []

        def become_holder(handle: ProcessHandle) -> None:
            monkeypatch.undo()
            handle.kill_its_group()
            standby.append(stack.enter_context(decoy("--orphan", "--lock", tmp_path / "store.lock")))

        monkeypatch.setattr(ProcessHandle, "kill_its_group", become_holder)
        assert await clear_stale_daemon(tmp_path)
        assert not leftover.alive
        assert not standby[0].alive


@pytest.mark.parametrize("when", ["stop_before_lock", "while_serving"])
async def test_the_next_supervisor_gets_the_port_back_from_a_stopped_daemon(
    start: Start, reports: Reports, when: str
) -> None:
    """Before it has the store's lock, only the ledger can tell whose it is."""
    port = free_port()
    environ = {"PRO_ENGINE_PORT": str(port), **reports.environ}
    first = await start(environ | {"STAND_IN": when})
    daemon = (await first.event("daemon_started"))["pid"]
    await reports.wait_for("ready" if when == "while_serving" else "stopping_itself")
    signal.pidfd_send_signal(first.daemons[daemon], signal.SIGSTOP)
    with ProcessHandle(first.pid, lambda: True) as supervisor:
        supervisor.send(signal.SIGKILL)
        assert await supervisor.gone_within(PATIENCE)
    second = await start(environ)
    found = await second.event("stale_daemon_found", pid=daemon)
    assert found["proof"] == ("store.lock" if when == "while_serving" else "ledger")
    assert (await second.event("listening"))["port"] == port
    assert not is_alive(first.daemons[daemon])
    await second.ready()
    assert second.runtime()["port"] == port


def write_ledger(state_dir: Path, line: dict[str, Any]) -> None:
    (state_dir / LEDGER_NAME).write_text(json.dumps([line]))
