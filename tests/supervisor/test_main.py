from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor.__main__ import main, read_arguments
from supervisor.errors import WrongUsage
from tests.conftest import pester
from tests.supervisor.conftest import PATIENCE, ROOT, STAND_IN, Reports, Start

STARTS = """
import os, signal, sys
{first}
os.execv(sys.executable, [sys.executable, "-m", "supervisor", "--", sys.executable, {daemon!r}])
"""


def test_the_daemon_command_stands_behind_two_dashes() -> None:
    assert read_arguments(["--", "python", "-m", "x"]) == (None, ["python", "-m", "x"])
    assert read_arguments([]) == (None, ())


def test_the_pid_to_evict_stands_before_them() -> None:
    assert read_arguments(["--evict", "42"]) == (42, ())
    assert read_arguments(["--evict", "42", "--", "x"]) == (42, ["x"])


@pytest.mark.parametrize(
    "arguments",
    [["--"], ["python"], ["--help"], ["--evict"], ["--evict", "node"], ["--evict", "-1"], ["--evict", "1", "x"]],
)
def test_anything_else_is_wrong_usage(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongUsage):
        read_arguments(arguments)
    assert main(arguments) == 64
    assert capfd.readouterr().err.startswith("pro-engine: ")


def test_launchd_is_not_asked_to_try_again_what_no_restart_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRO_ENGINE_UNDER_LAUNCHD", "1")
    assert main(["--"]) == 0
    monkeypatch.delenv("PRO_ENGINE_STATE_DIR", raising=False)
    assert main([]) == 0


@pytest.fixture
def born(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a supervisor whose parent does something first."""
    started: list[subprocess.Popen[bytes]] = []

    def start(first: str, **environ: str) -> subprocess.Popen[bytes]:
        ours = {"PRO_ENGINE_STATE_DIR": str(tmp_path / "state"), "PRO_ENGINE_PORT": "0", "PATH": os.environ["PATH"]}
        program = STARTS.format(first=first, daemon=str(STAND_IN))
        started.append(subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=ours | environ))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


Born = Callable[..., subprocess.Popen[bytes]]


@pytest.mark.parametrize("closed", ["2", "0, 1, 2", "0"])
async def test_without_standard_descriptors_nothing_else_gets_their_numbers(
    born: Born, reports: Reports, tmp_path: Path, closed: str
) -> None:
    """Else the log would be written into the lock, and the daemon's pipes be lost in its own start."""
    process = born(f"for fd in ({closed},): os.close(fd)", **reports.environ)
    daemon = int((await reports.wait_for("ready")).split()[1])
    for pid in (process.pid, daemon):
        for fd in closed.split(", "):
            assert Path(f"/proc/{pid}/fd/{fd}").readlink() == Path("/dev/null")
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "state" / "supervisor.lock").read_bytes() == b""


async def test_a_parent_that_ignores_or_blocks_signals_changes_nothing(born: Born, reports: Reports) -> None:
    """With SIGCHLD ignored the kernel would keep the exit code from us, with TERM blocked nothing would stop us."""
    odd = "signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_SETMASK, range(1, 65))"
    process = born(odd, **reports.environ)
    daemon = int((await reports.wait_for("ready")).split()[1])
    for pid in (process.pid, daemon):
        status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert int(status["SigBlk"], 16) == 0
        assert not int(status["SigIgn"], 16) & 1 << signal.SIGCHLD - 1
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_the_exit_code_of_a_daemon_is_known_where_sigchld_was_ignored(born: Born) -> None:
    assert born("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", STAND_IN_EXIT="78").wait(PATIENCE) == 78


@pytest.mark.parametrize(("port", "code"), [("none", 78), ("0", 100)])
async def test_the_exit_code_is_the_same_where_nobody_reads_what_is_said(
    start: Start, tmp_path: Path, port: str, code: int
) -> None:
    await (await start()).ready()
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor", "--", "x"],
        cwd=ROOT,
        env={"PRO_ENGINE_STATE_DIR": str(tmp_path / "state"), "PRO_ENGINE_PORT": port, "PATH": os.environ["PATH"]},
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    assert await asyncio.to_thread(process.wait, PATIENCE) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_in_the_last_moment_does_not_change_the_exit_code(
    start: Start, slow_end: dict[str, str], number: signal.Signals
) -> None:
    supervised = await start(slow_end)
    await supervised.ready()
    supervised.signal(signal.SIGTERM)
    await supervised.event("stopped")
    await pester(supervised.process, number)
    assert await supervised.exit_code() == 0
