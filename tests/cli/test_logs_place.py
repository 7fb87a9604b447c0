"""Where the log of a process goes, by what the kernel shows of it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from daemon.cli import logs_place
from daemon.cli.logs_file import LogFile
from daemon.cli.logs_journal import Journal, Unit
from daemon.cli.logs_line import Wish
from daemon.cli.logs_place import find_log, unit_of
from daemon.cli.service_place import Place
from daemon.cli.service_units import UNIT, agent, agent_file, scope_of
from daemon.errors import ServiceRefused, ServiceUnreachable
from daemon.runtime_file import start_ticks
from tests.cli.service_stand_ins import a_place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@contextmanager
def process(stderr: IO[bytes] | int) -> Iterator[int]:
    """One that lives until it is told, and whose standard error goes there."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr) as child:
        yield child.pid
        child.stdin.close()  # type: ignore[union-attr]


def publish(place: Place, pid: int, ticks: int | None = None) -> None:
    place.folders.state.mkdir(exist_ok=True)
    found = {"pid": pid, "start_ticks": ticks or start_ticks(pid)}
    place.folders.runtime_file.write_text(json.dumps(found))


def nowhere(place: Place) -> dict[str, str]:
    """The environment of a machine without a system service."""
    return {"PRO_ENGINE_SHARED_DIR": str(place.home / "no-system-service")}


def texts(source: object) -> list[str]:
    assert isinstance(source, LogFile)
    with closing(source):
        return [line.text for line in source.newest(None, Wish(), whole=False)]


def unit(source: object) -> Unit:
    assert isinstance(source, Journal)
    return source._unit


def refused(place: Place) -> str:
    with pytest.raises(ServiceRefused) as why:
        find_log(place, nowhere(place))
    assert why.value.exit_code == 1
    return why.value.message


def test_a_file_is_read_where_it_lies_and_by_the_process_where_it_was_moved(tmp_path: Path) -> None:
    place, path = a_place(tmp_path), tmp_path / "service.log"
    path.write_text("one\n")
    with path.open("ab") as file, process(file) as pid:
        publish(place, pid)
        assert texts(find_log(place, nowhere(place))) == ["one"]
        path.rename(tmp_path / "moved.log")
        path.write_text("another's\n")
        assert texts(find_log(place, nowhere(place))) == ["one"]
        (tmp_path / "moved.log").unlink()
        assert texts(find_log(place, nowhere(place))) == ["one"]


def test_once_the_process_has_ended_the_file_is_followed_by_its_name(tmp_path: Path) -> None:
    place, path = a_place(tmp_path), tmp_path / "service.log"
    path.write_text("one\n")
    with path.open("ab") as file, process(file) as pid:
        publish(place, pid)
        source = find_log(place, nowhere(place))
        assert isinstance(source, LogFile)
        assert [line.text for line in source.newest(None, Wish(), whole=True)] == ["one"]
    with closing(source):
        with path.open("a") as again:
            again.write("of the next one\n")
        assert [line.text for line in source.since_then()] == ["of the next one"]


@pytest.mark.parametrize("where", ["terminal", "pipe", "nothing"])
def test_what_nobody_can_read_is_named_with_what_to_do(tmp_path: Path, where: str) -> None:
    place = a_place(tmp_path)
    ours, theirs = pty.openpty() if where == "terminal" else os.pipe()
    name = {"terminal": f"the terminal {os.ttyname(theirs)}" if where == "terminal" else "", "pipe": "a pipe"}
    stderr = subprocess.DEVNULL if where == "nothing" else theirs
    with process(stderr) as pid:
        publish(place, pid)
        says = refused(place)
    for fd in (ours, theirs):
        os.close(fd)
    assert f"(pid {pid}) goes to {name.get(where, '/dev/null, which keeps nothing')}" in says
    assert "pro-engine service install" in says
    assert "pro-engine run 2>>FILE" in says


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, path = a_place(tmp_path), tmp_path / "service.log"

    def deny(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("daemon.cli.logs_file.FileIO", deny)
    with path.open("ab") as file, process(file) as pid:
        publish(place, pid)
        assert refused(place).endswith("cannot be read: Permission denied")


def test_what_a_killed_service_left_behind_is_no_service(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    with process(subprocess.DEVNULL) as pid:
        publish(place, pid, ticks=1)
        with pytest.raises(ServiceUnreachable, match="no service runs here, and none is installed"):
            find_log(place, nowhere(place))
    for text in ("", "[]", "{}", '{"pid": "x", "start_ticks": 1}', '{"pid": 99999999, "start_ticks": null}'):
        place.folders.runtime_file.write_text(text)
        with pytest.raises(ServiceUnreachable):
            find_log(place, nowhere(place))


def test_the_system_service_is_found_by_what_it_publishes_for_its_group(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    shared, path = tmp_path / "shared", tmp_path / "service.log"
    shared.mkdir()
    path.write_text("one\n")
    with path.open("ab") as file, process(file) as pid:
        (shared / "runtime.json").write_text(json.dumps({"pid": pid, "start_ticks": start_ticks(pid)}))
        assert texts(find_log(place, {"PRO_ENGINE_SHARED_DIR": str(shared)})) == ["one"]


def test_one_that_does_not_run_is_read_by_the_unit_that_is_installed_the_users_own_first(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    for system in (True, False):
        path = scope_of(place, system=system).unit
        path.parent.mkdir(parents=True)
        path.touch()
        assert unit(find_log(place, nowhere(place))) == Unit(UNIT, of_user=not system)


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ("0::/system.slice/pro-engine.service\n", Unit("pro-engine.service", of_user=False)),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/pro-engine.service\n",
            Unit("pro-engine.service", of_user=True),
        ),
        (
            "12:pids:/system.slice/x\n1:name=systemd:/system.slice/my-engine.service\n0::/\n",
            Unit("my-engine.service", of_user=False),
        ),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-foot-1.scope\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_the_service_of_a_process_is_told_by_its_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, found: Unit | None
) -> None:
    monkeypatch.setattr(logs_place, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(groups)
    assert unit_of(7) == found
    assert unit_of(8) is None


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Place]:
    """A service whose descriptors nobody but its user sees, in this control group."""
    place = a_place(tmp_path)

    def of(group: str) -> Place:
        folder = tmp_path / f"proc/{os.getpid()}"
        folder.mkdir(parents=True)
        (folder / "cgroup").write_text(f"0::/{group}\n")
        publish(place, os.getpid())
        monkeypatch.setattr(logs_place, "PROC", tmp_path / "proc")
        return place

    return of


def test_of_another_users_process_the_group_alone_says_that_it_is_our_unit(seen: Callable[[str], Place]) -> None:
    place = seen("system.slice/pro-engine.service")
    assert unit(find_log(place, nowhere(place))) == Unit("pro-engine.service", of_user=False)


def test_of_another_users_process_outside_of_our_unit_nothing_is_guessed(seen: Callable[[str], Place]) -> None:
    assert "this machine does not say where the log of the service" in refused(seen("system.slice/ssh.service"))


def a_mac(tmp_path: Path, **changes: Any) -> Place:
    place = a_place(tmp_path, platform="darwin", **changes)
    agent_file(place).parent.mkdir(parents=True)
    agent_file(place).write_text(agent(place))
    return place


def test_an_agent_of_launchd_says_where_its_log_is(tmp_path: Path) -> None:
    place = a_mac(tmp_path)
    log = place.home / "Library/Logs/pro-engine.log"
    assert f"{log} cannot be read: No such file or directory" in refused(place)
    log.parent.mkdir(parents=True)
    log.write_text("one\n")
    assert texts(find_log(place, nowhere(place))) == ["one"]


@pytest.mark.parametrize("text", ["", "<plist>", "<plist><dict/></plist>", "<plist><array/></plist>"])
def test_an_agent_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    place = a_mac(tmp_path)
    agent_file(place).write_text(text)
    assert f"{agent_file(place)} does not say where the log is" in refused(place)
