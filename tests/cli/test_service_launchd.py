"""The LaunchAgent, against a recorder: macOS itself is not needed, and launchd was not tried."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from daemon.cli import service_launchd as launchd
from daemon.cli.service_place import Place, Ran
from daemon.cli.service_units import agent, agent_file
from daemon.errors import ServiceRefused
from tests.cli.service_stand_ins import FakeCommands, a_place, never
from tests.cli.test_service import do, files

NOT_LOADED = {"launchctl print": Ran(113, "", "Could not find service")}
LOADED = {"launchctl print": Ran(0, "app.pro-upscaler.engine = {\n\tstate = running\n\tpid = 77\n}")}


class FakeLaunchd(FakeCommands):
    """Runs nothing, and knows what it would have loaded. An end takes it `looks` looks."""

    def __init__(self, *, loaded: bool, looks: int = 0, **answers: Ran) -> None:
        super().__init__(dict(answers))
        self.loaded, self.ending, self.looks = loaded, False, looks

    def __call__(self, *words: str) -> Ran:
        ran = super().__call__(*words)
        if words[1] == "print":
            self.looks -= self.ending
            self.loaded = self.loaded and not (self.ending and self.looks < 0)
            return (LOADED if self.loaded else NOT_LOADED)["launchctl print"]
        if words[1] == "bootout":
            self.ending = True
            return Ran(36 if self.looks else 0)
        self.loaded = self.loaded or (words[1] == "bootstrap" and ran.status == 0)
        return ran


NAME = "gui/501/app.pro-upscaler.engine"


def a_mac(tmp_path: Path, **changes: object) -> Place:
    return a_place(tmp_path, **{"platform": "darwin", "uid": 501, "booted": False, **changes})


def test_the_agent_says_what_launchd_is_to_do(tmp_path: Path) -> None:
    place = a_mac(tmp_path, command=("/Apps & more/<p>/pro-engine",))
    says = plistlib.loads(agent(place).encode())
    assert says == {
        "Label": "app.pro-upscaler.engine",
        "ProgramArguments": ["/Apps & more/<p>/pro-engine", "run"],
        "EnvironmentVariables": {"PRO_ENGINE_UNDER_LAUNCHD": "1"},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 5,
        "ExitTimeOut": 120,
        "ProcessType": "Interactive",
        "Umask": 0o077,
        "StandardErrorPath": str(tmp_path / "home/Library/Logs/pro-engine.log"),
        "SoftResourceLimits": {"NumberOfFiles": 8192},
        "HardResourceLimits": {"NumberOfFiles": 8192},
    }
    assert agent_file(place).stem == says["Label"]


def test_it_is_written_and_loaded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = a_mac(tmp_path)
    status, run = do("install", place, FakeLaunchd(loaded=False))
    assert status == 0
    assert run.changes == [f"launchctl enable {NAME}", f"launchctl bootstrap gui/501 {agent_file(place)}"]
    capsys.readouterr()
    status, run = do("install", place, FakeLaunchd(loaded=True))
    assert (status, run.changes) == (0, [])
    assert "nothing was changed" in capsys.readouterr().out


def test_a_changed_agent_is_loaded_anew(tmp_path: Path) -> None:
    do("install", a_mac(tmp_path, command=("/old",)), FakeLaunchd(loaded=False))
    _, run = do("install", a_mac(tmp_path), FakeLaunchd(loaded=True))
    assert [line.split()[1] for line in run.changes] == ["bootout", "enable", "bootstrap"]


def test_without_a_start_it_waits_for_the_next_login(tmp_path: Path) -> None:
    assert do("install --no-start", a_mac(tmp_path), FakeLaunchd(loaded=False))[1].changes == []
    assert agent_file(a_mac(tmp_path)).exists()


def test_what_cannot_be_loaded_is_not_left_behind(tmp_path: Path) -> None:
    run = FakeLaunchd(loaded=False, bootstrap=Ran(5, "", "Bootstrap failed: 5: Input/output error"))
    assert do("install", a_mac(tmp_path), run)[0] == 1
    assert files(tmp_path) == {}


def test_an_edited_agent_is_left_alone(tmp_path: Path) -> None:
    place = a_mac(tmp_path)
    do("install", place, FakeLaunchd(loaded=False))
    agent_file(place).write_text(agent_file(place).read_text().replace("<integer>5<", "<integer>6<"))
    for action in ("install", "uninstall"):
        status, run = do(action, place, FakeLaunchd(loaded=True))
        assert (status, run.changes) == (73, [])


def test_it_is_unloaded_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = a_mac(tmp_path)
    do("install", place, FakeLaunchd(loaded=False))
    status, run = do("uninstall", place, FakeLaunchd(loaded=True))
    assert (status, run.changes, files(tmp_path)) == (0, [f"launchctl bootout {NAME}"], {})
    assert str(place.folders.state) in capsys.readouterr().out
    assert do("uninstall", place, FakeLaunchd(loaded=False))[0] == 0


def test_status_tells_whether_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = a_mac(tmp_path)
    assert do("status", place, FakeLaunchd(loaded=False))[0] == 4
    do("install", place, FakeLaunchd(loaded=False))
    assert do("status", place, FakeLaunchd(loaded=False))[0] == 3
    capsys.readouterr()
    assert do("status", place, FakeLaunchd(loaded=True))[0] == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["service  running", "pid      77"]


@pytest.mark.parametrize("changes", [{"uid": 0}, {}])
def test_there_is_no_service_of_the_whole_machine(
    tmp_path: Path, changes: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    status, run = do("install" if changes else "install --system", a_mac(tmp_path, **changes), FakeCommands())
    assert (status, run.asked) == (1, [])
    assert "Metal" in capsys.readouterr().err


def test_the_next_one_is_loaded_only_once_the_last_has_ended(tmp_path: Path) -> None:
    place = a_mac(tmp_path)
    waited: list[float] = []
    run = FakeLaunchd(loaded=True, looks=3)
    assert launchd.install(place, run, never, start=True, force=False, sleep=waited.append) == 0
    assert waited == [0.5] * 3
    assert run.changes[-1].startswith("launchctl bootstrap")
    with pytest.raises(ServiceRefused, match="not ended"):
        launchd.uninstall(place, FakeLaunchd(loaded=True, looks=9999), never, force=False, sleep=waited.append)
    assert agent_file(place).exists()
