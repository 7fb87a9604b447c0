"""`--evict PID` ends the process that has our port, when a person names it, and refuses all others in a sentence."""

from __future__ import annotations

import os
import signal
import socket
from random import Random

import psutil
import pytest

from supervisor import evict as evict_module
from supervisor.errors import EvictRefused
from supervisor.evict import evict
from supervisor.socket import open_listener
from tests.supervisor.conftest import free_port
from tests.supervisor.decoys import NOBODY, decoy, needs_root

HOST = "127.0.0.1"


@pytest.mark.parametrize("address", [HOST, "0.0.0.0"])
async def test_the_process_that_listens_is_ended_and_the_port_is_free(address: str) -> None:
    port = free_port()
    with decoy("--listen", f"{address}:{port}") as holder:
        await evict(holder.pid, HOST, port)
        assert not holder.alive
        socket.create_server((HOST, port)).close()


async def test_a_stopped_process_is_ended_as_well() -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}") as holder:
        holder.stop()
        await evict(holder.pid, HOST, port)
        assert not holder.alive


async def test_one_that_does_not_go_is_killed_at_the_deadline() -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}", "--ignore", "SIGTERM") as holder:
        await evict(holder.pid, HOST, port, deadline=0.05)
        assert holder.said() == ["SIGTERM"]
        assert not holder.alive


@pytest.mark.parametrize("listens", [(), ("--listen", "127.0.0.2:{port}"), ("--listen", f"{HOST}:{{other}}")])
async def test_a_process_that_has_not_our_port_is_refused(listens: tuple[str, ...]) -> None:
    """Its pid may have been the holder's a minute ago."""
    port, other = free_port(), free_port()
    with decoy(*(word.format(port=port, other=other) for word in listens)) as stranger:
        with pytest.raises(
            EvictRefused, match=rf"process {stranger.pid} \(.+\) does not listen on port {port}: .*doctor"
        ):
            await evict(stranger.pid, HOST, port)
        assert stranger.alive


@pytest.mark.parametrize(("pid", "says"), [
    (1, "everything on this machine hangs on it"),
    (0, "everything on this machine"),
    (-1, "everything on this machine"),
    pytest.param(os.getpid(), "this very command", id="this"),
    pytest.param(os.getppid(), "has started this very command", id="parent"),
    (1 << 40, "there is no process"),
])  # fmt: skip
async def test_what_must_live_is_refused(pid: int, says: str) -> None:
    with pytest.raises(EvictRefused, match=says):
        await evict(pid, HOST, free_port())


async def test_a_wanted_port_of_any_has_no_holder() -> None:
    with decoy() as stranger:
        with pytest.raises(EvictRefused, match="PRO_ENGINE_PORT is 0"):
            await evict(stranger.pid, HOST, 0)
        assert stranger.alive


async def test_a_dead_process_is_said_to_be_so() -> None:
    with decoy() as ended:
        ended.signal(signal.SIGKILL)
        ended.started.wait()
        with pytest.raises(EvictRefused, match=f"there is no process {ended.pid}"):
            await evict(ended.pid, HOST, free_port())


async def test_a_process_that_ends_while_it_is_looked_at_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}") as ended:
        check = evict_module._check

        def end_after(process: psutil.Process, host: str, port: int) -> str:
            name = check(process, host, port)
            ended.signal(signal.SIGKILL)
            ended.started.wait()
            return name

        monkeypatch.setattr(evict_module, "_check", end_after)
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a number was signalled"))
        with pytest.raises(EvictRefused, match="has just ended"):
            await evict(ended.pid, HOST, port)


@needs_root
async def test_another_users_process_is_refused_and_named() -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}", "--user", NOBODY) as other:
        with pytest.raises(EvictRefused, match=r"belongs to the user nobody: end it as that user"):
            await evict(other.pid, HOST, port)
        assert other.alive


async def test_whoever_shares_its_listener_is_left_alone_and_named() -> None:
    port = free_port()
    with decoy("--listen", f"{HOST}:{port}", "--share", 2) as holder:
        await evict(holder.pid, HOST, port)
        assert not holder.alive
        listener = await open_listener(HOST, port, random=Random(0))
        with listener.sock:
            assert listener.fell_back
            (left,) = listener.taken_by
            assert left.pid in holder.family
            assert "with 1 more of its processes" in str(left)
        assert all(holder.lives(pid) for pid in holder.family)


async def test_a_name_that_is_no_text_is_told_as_text() -> None:
    with decoy("--hide-name") as stranger:
        with pytest.raises(EvictRefused) as refused:
            await evict(stranger.pid, HOST, free_port())
        assert str(refused.value).isprintable()
        assert stranger.alive
