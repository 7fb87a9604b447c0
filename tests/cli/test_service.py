"""`pro-engine service` against a recorder: what it writes, what it asks of systemd, what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.cli import parser as command_line
from daemon.cli.service import act
from daemon.cli.service_place import Ask, Place, Ran
from tests.cli.service_stand_ins import SYSTEMD, FakeCommands, a_place, never

RUNNING = {"show pro-engine.service": Ran(0, "UnitFileState=enabled\nActiveState=active")}


def do(words: str, place: Place, run: FakeCommands | None = None, ask: Ask = never) -> tuple[int, FakeCommands]:
    """The exit status, and what was run."""
    run = run or FakeCommands()
    return act(command_line.build_parser().parse_args(["service", *words.split()]), place, run, ask), run


def running() -> FakeCommands:
    return FakeCommands(SYSTEMD | RUNNING)


def unit(place: Place) -> Path:
    return place.config_home / "systemd/user/pro-engine.service"


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def root(tmp_path: Path, **changes: object) -> Place:
    return a_place(tmp_path, **{"uid": 0, "user": "root", **changes})


def test_a_users_service_is_written_enabled_and_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = a_place(tmp_path)
    status, run = do("install", place)
    assert status == 0
    assert 'ExecStart="/opt/pro engine/100%%/bin/pro-engine" run\n' in unit(place).read_text()
    assert run.changes == [
        "systemctl --user daemon-reload",
        "systemctl --user enable pro-engine.service",
        "systemctl --user start pro-engine.service",
    ]
    assert capsys.readouterr().out.endswith("Installed.\n")
    assert set(files(tmp_path)) == {"home/.config/systemd/user/pro-engine.service"}


def test_a_second_install_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = a_place(tmp_path)
    do("install", place)
    before = files(tmp_path)
    capsys.readouterr()
    status, run = do("install", place, running())
    assert (status, run.changes) == (0, [])
    assert files(tmp_path) == before
    assert capsys.readouterr().out == "It is installed already; nothing was changed.\n"


def test_without_a_start_it_is_enabled_only(tmp_path: Path) -> None:
    _, run = do("install --no-start", a_place(tmp_path))
    assert run.changes == ["systemctl --user daemon-reload", "systemctl --user enable pro-engine.service"]


def test_a_unit_of_ours_from_another_place_or_version_is_replaced_and_the_service_restarted(tmp_path: Path) -> None:
    do("install", a_place(tmp_path, command=("/old/pro-engine",)))
    place = a_place(tmp_path)
    status, run = do("install", place, running())
    assert status == 0
    assert "/old/" not in unit(place).read_text()
    assert run.changes == ["systemctl --user daemon-reload", "systemctl --user restart pro-engine.service"]


@pytest.mark.parametrize("action", ["install", "uninstall"])
@pytest.mark.parametrize("edit", ["edited", "foreign", "masked"])
def test_what_somebody_made_or_edited_is_left_alone(
    tmp_path: Path, action: str, edit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = a_place(tmp_path)
    do("install", place)
    if edit == "edited":
        unit(place).write_text(unit(place).read_text().replace("TasksMax=512", "TasksMax=9"))
    elif edit == "foreign":
        unit(place).write_text("[Service]\nExecStart=/bin/true\n")
    else:
        unit(place).unlink()
        unit(place).symlink_to("/dev/null")
    before = files(tmp_path)
    status, run = do(action, place, running())
    assert (status, run.changes) == (73, [])
    assert files(tmp_path) == before
    assert "--force" in capsys.readouterr().err

    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    assert do(action, place, running(), no)[0] == 73
    assert len(asked) == 1
    assert do(action, place, running(), lambda _question: True)[0] == 0
    assert unit(place).exists() == (action == "install")


def test_force_asks_nobody(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    unit(place).parent.mkdir(parents=True)
    unit(place).write_text("mine")
    assert do("install --force", place)[0] == 0
    assert "ExecStart" in unit(place).read_text()
    unit(place).write_text("mine")
    assert do("uninstall --force", place)[0] == 0
    assert not unit(place).exists()


@pytest.mark.parametrize("fails", ["daemon-reload", "systemd-sysusers"])
def test_nothing_stays_half_written(tmp_path: Path, fails: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeCommands(SYSTEMD | {fails: Ran(1, "", "no way")})
    status, _ = do("install --system", root(tmp_path), run)
    assert status == 1
    assert files(tmp_path) == {}
    assert "no way" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/sysusers.d").write_text("no folder")
    assert do("install --system", root(tmp_path))[0] == 74
    assert files(tmp_path) == {"etc/sysusers.d": "no folder"}
    assert "sysusers.d" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_without_systemd_it_says_so_and_does_nothing(
    tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, run = do(action, a_place(tmp_path, booted=False))
    assert (status, run.asked, files(tmp_path)) == (69, [], {})
    assert "`pro-engine run`" in capsys.readouterr().err


def test_a_system_service_needs_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, run = do("install --system", a_place(tmp_path))
    assert (status, run.asked, files(tmp_path)) == (77, [], {})
    assert "sudo" in capsys.readouterr().err


@pytest.mark.parametrize("lies", ["/home/ann/.local/venv", "/root/x", "/tmp/x", "/var/tmp/x", "/run/user/1000/x"])
def test_an_installation_that_a_system_service_cannot_see_is_refused(
    tmp_path: Path, lies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = root(tmp_path, installation=(Path("/opt/x"), Path(lies)))
    status, run = do("install", place)
    assert (status, run.asked, files(tmp_path)) == (78, [], {})
    assert lies in (says := capsys.readouterr().err)
    assert "/opt/pro-engine" in says
    assert do("install --user", place)[0] == 0


def test_a_link_into_a_home_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("/home/ann/python")
    assert do("install --system", root(tmp_path, installation=(tmp_path / "python",)))[0] == 78


def test_a_system_service_has_its_user_made_and_lets_in_whoever_installs_it(tmp_path: Path) -> None:
    status, run = do("install", root(tmp_path, sudo_user="ann"))
    assert status == 0
    written = files(tmp_path / "etc")
    assert "u pro-engine" in written["sysusers.d/pro-engine.conf"]
    assert "SupplementaryGroups=render\n" in written["systemd/system/pro-engine.service"]
    assert run.changes == [
        f"systemd-sysusers {tmp_path}/etc/sysusers.d/pro-engine.conf",
        "systemctl daemon-reload",
        "usermod --append --groups pro-engine ann",
        "systemctl enable pro-engine.service",
        "systemctl start pro-engine.service",
    ]


@pytest.mark.parametrize(("version", "later"), [("252.1", []), ("v253~rc1", [253]), ("256 (256-1)", [253, 254])])
def test_what_only_later_versions_know_comes_in_drop_ins(tmp_path: Path, version: str, later: list[int]) -> None:
    place = a_place(tmp_path)
    do("install", place, FakeCommands(SYSTEMD | {"show --property=Version": Ran(0, version)}))
    drop_ins = sorted(path.name for path in unit(place).parent.glob("*.d/*"))
    assert drop_ins == [f"10-systemd-{number}.conf" for number in later]


def test_drop_ins_for_what_the_machine_no_longer_has_are_taken_away(tmp_path: Path) -> None:
    newer = FakeCommands(SYSTEMD | {"show --property=Version": Ran(0, "256")})
    do("install", root(tmp_path, nvidia_modprobe="/usr/bin/nvidia-modprobe"), newer)
    written = files(tmp_path / "etc/systemd/system")
    assert 'ExecStart=-"/usr/bin/nvidia-modprobe" "-u" "-c" "0"\n' in written["pro-engine-nvidia.service"]
    assert len(written) == 5
    do("install", root(tmp_path), running())
    assert set(files(tmp_path / "etc/systemd/system")) == {"pro-engine.service"}


def test_a_user_without_a_systemd_of_their_own_is_told_what_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, run = do("install", a_place(tmp_path), FakeCommands({"Version": Ran(1, "", "Failed to connect to bus")}))
    assert (status, run.changes, files(tmp_path)) == (69, [], {})
    assert "`sudo loginctl enable-linger ann`" in capsys.readouterr().err


def test_a_service_that_does_not_start_stays_installed_and_names_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = a_place(tmp_path)
    status, _ = do("install", place, FakeCommands(SYSTEMD | {"start pro-engine": Ran(1, "", "Job failed.")}))
    assert status == 1
    assert unit(place).exists()
    assert "`journalctl --user --unit pro-engine.service`" in capsys.readouterr().err


def test_uninstall_removes_what_was_written_and_says_where_the_rest_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = root(tmp_path, nvidia_modprobe="/usr/bin/nvidia-modprobe")
    do("install", place, FakeCommands(SYSTEMD | {"show --property=Version": Ran(0, "256")}))
    own = tmp_path / "etc/systemd/system/pro-engine.service.d/override.conf"
    own.write_text("[Service]\nNice=5\n")
    status, run = do("uninstall", place)
    assert status == 0
    assert list(files(tmp_path)) == ["etc/systemd/system/pro-engine.service.d/override.conf"]
    assert run.changes[:2] == ["systemctl disable --now pro-engine.service", "systemctl daemon-reload"]
    assert "/var/lib/pro-engine" in capsys.readouterr().out
    assert do("uninstall", place)[1].changes == []


def test_a_stop_that_fails_removes_nothing(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    do("install", place)
    assert do("uninstall", place, FakeCommands(SYSTEMD | {"disable": Ran(1, "", "no")}))[0] == 1
    assert unit(place).exists()


STATUS = """LoadState=loaded
ActiveState=active
SubState=running
MainPID=4242
UnitFileState=enabled
FragmentPath=/etc/u
DropInPaths=/etc/a.conf /etc/b.conf
NRestarts=2
StatusText=serving on http://127.0.0.1:3007
NeedDaemonReload=yes"""


def test_status_tells_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = FakeCommands(SYSTEMD | {"show pro-engine.service": Ran(0, STATUS)})
    assert do("status", a_place(tmp_path), run)[0] == 0
    assert capsys.readouterr().out.splitlines() == [
        "service  active (running): serving on http://127.0.0.1:3007",
        "pid      4242, restarted 2 times",
        "starts   enabled",
        "unit     /etc/u",
        "drop-in  /etc/a.conf",
        "drop-in  /etc/b.conf",
        "changed since systemd read it: run `systemctl daemon-reload`",
        "linger   on: it runs without a session too",
    ]
    assert run.changes == []


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"ActiveState=active": "ActiveState=failed", "MainPID=4242": "MainPID=0"}, 3, "pid      none"),
        ({"LoadState=loaded": "LoadState=not-found"}, 4, "not installed"),
    ],
)
def test_status_ends_as_that_of_systemctl(
    tmp_path: Path, changes: dict[str, str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STATUS
    for before, after in changes.items():
        text = text.replace(before, after)
    run = FakeCommands(SYSTEMD | {"show pro-engine.service": Ran(0, text)})
    assert do("status --system", a_place(tmp_path), run)[0] == status
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(("linger", "says"), [("no", "enable-linger"), ("", "unknown")])
def test_status_tells_of_linger(tmp_path: Path, linger: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = SYSTEMD | {"show pro-engine.service": Ran(0, STATUS), "loginctl show-user": Ran(0, linger)}
    do("status", a_place(tmp_path), FakeCommands(answers))
    assert says in capsys.readouterr().out


def test_a_system_service_is_pointed_out_to_whoever_has_none_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"--user show pro-engine": Ran(0, "LoadState=not-found"), "show pro-engine": Ran(0, "LoadState=loaded")}
    run = FakeCommands({"Version": Ran(0, "252"), **answers})
    assert do("status", a_place(tmp_path), run)[0] == 4
    assert "has a system service, which `--system` shows" in capsys.readouterr().out
