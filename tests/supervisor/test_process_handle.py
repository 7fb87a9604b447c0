"""A signal reaches the process that was looked at, or nobody."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import NoReturn

import pytest

from supervisor.lock import record_holder
from supervisor.process_handle import ProcessHandle
from tests.supervisor.decoys import Decoy, decoy


def never(*_: object) -> NoReturn:
    raise AssertionError("a number was signalled")


async def test_a_process_is_signalled_and_waited_for() -> None:
    with decoy() as process, ProcessHandle(process.pid, never) as handle:
        assert handle.alive
        assert not await handle.gone_within(0.01)
        assert handle.send(signal.SIGTERM)
        assert await handle.gone_within(10)
        assert not handle.alive


async def test_a_stopped_process_is_ended_too() -> None:
    with decoy() as process, ProcessHandle(process.pid, never) as handle:
        process.stop()
        assert await handle.end([(signal.SIGTERM, 10)])


async def test_signals_come_in_their_order_until_one_works() -> None:
    steps = [(signal.SIGTERM, 0.05), (signal.SIGTERM, 0.05), (signal.SIGABRT, 0.05), (signal.SIGKILL, 10)]
    with decoy("--ignore", "SIGTERM", "SIGABRT") as process, ProcessHandle(process.pid, never) as handle:
        assert await handle.end(steps)
        assert process.said() == ["SIGTERM", "SIGTERM", "SIGABRT"]


async def test_one_that_outlives_every_signal_is_given_up() -> None:
    with decoy("--ignore", "SIGTERM") as process, ProcessHandle(process.pid, never) as handle:
        assert not await handle.end([(signal.SIGTERM, 0.05)])
        assert process.alive


async def test_a_dead_process_is_never_signalled_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reaped, its number is free for the next process; the handle goes on meaning the dead one."""
    monkeypatch.setattr(os, "kill", never)
    with decoy() as process, ProcessHandle(process.pid, never) as handle:
        process.signal(signal.SIGKILL)
        process.started.wait()
        assert not handle.alive
        assert not handle.send(signal.SIGTERM)
        assert await handle.end([(signal.SIGTERM, 1)])
        handle.kill_its_group()


def test_neither_a_free_number_nor_a_thread_can_be_held() -> None:
    with decoy() as process:
        process.signal(signal.SIGKILL)
        process.started.wait()
        with pytest.raises(ProcessLookupError):
            ProcessHandle(process.pid, never)
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    try:
        assert thread.native_id
        with pytest.raises(ProcessLookupError):
            ProcessHandle(thread.native_id, never)
    finally:
        released.set()
        thread.join()


@pytest.mark.parametrize("number", [0, -1, 1 << 40])
def test_what_can_be_nobodys_number_is_refused(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To kill(), 0 and less are whole groups."""
    for _ in range(2):
        if hasattr(os, "pidfd_open") or number <= 0:
            with pytest.raises(ProcessLookupError):
                ProcessHandle(number, never)
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@contextmanager
def holding_decoy() -> Iterator[tuple[Decoy, Callable[[], bool]]]:
    """A process that holds a lock, and whether it still does."""
    with NamedTemporaryFile() as file, decoy("--lock", file.name) as process:
        yield process, lambda: record_holder(file.fileno()) == process.pid


@pytest.fixture(params=["macOS", "a sandbox"])
def without_pidfd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise PermissionError(errno.EPERM, "seccomp")

    if request.param == "macOS":
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(os, "pidfd_open", refuse)


@pytest.mark.usefixtures("without_pidfd")
class TestWithoutPidfd:
    async def test_the_proof_is_asked_before_each_signal_and_for_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[str] = []
        kill = os.kill

        def note(pid: int, number: signal.Signals) -> None:
            calls.append(number.name)
            kill(pid, number)

        with holding_decoy() as (process, proven):
            monkeypatch.setattr(os, "kill", note)

            def ask() -> bool:
                calls.append("asked")
                return proven()

            with ProcessHandle(process.pid, ask) as handle:
                assert await handle.end([(signal.SIGTERM, 10)])
                assert calls[:3] == ["asked", "SIGTERM", "asked"]
                assert calls[-1] == "asked"
                assert not handle.alive
                assert not handle.send(signal.SIGKILL)

    async def test_one_that_is_not_proven_any_more_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with holding_decoy() as (process, _):
            monkeypatch.setattr(os, "kill", never)
            with ProcessHandle(process.pid, lambda: False) as handle:
                assert not handle.send(signal.SIGTERM)
                assert await handle.gone_within(1)
                handle.kill_its_group()
            assert process.alive

    async def test_waiting_ends_at_its_deadline(self) -> None:
        with ProcessHandle(os.getpid(), lambda: True) as handle:
            assert not await handle.gone_within(0.05)
