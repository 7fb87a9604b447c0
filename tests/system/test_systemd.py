"""The system service under a real systemd: what the unit promises, kept by `pro-engine service install` and the rest.

One machine for the whole file. Pro Engine is installed in it as a person would, from a wheel, into /opt.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from tests.conftest import missing
from tests.system.machine import PACKAGES, ROOT, Machine, booted, interpreter

pytestmark = pytest.mark.timeout(180)
PRO_ENGINE: Final = "/opt/pro-engine/bin/pro-engine"
PYTHON: Final = "/opt/pro-engine/bin/python"
CONFIG: Final = "/etc/pro-engine/config.toml"
UNIT: Final = "/etc/systemd/system/pro-engine.service"
DROP_IN: Final = "[Service]\nEnvironment=PRO_ENGINE_DEVICE=cpu PRO_ENGINE_LOG_FORMAT=json\n"
EXPOSURE: Final = 2.5
MOST_SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def machine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With Pro Engine in /opt, a user ann who installs it by sudo, and a user bob who has nothing to do with it."""
    pictures = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for name, size in (("small", (48, 64, 3)), ("large", (400, 500, 3))):
        Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(pictures / f"{name}.png", compress_level=0)
    libraries = Path(np.__file__).parents[1]
    binds = {
        wheel.parent: "/opt/wheel",
        pictures: "/opt/pictures",
        libraries: "/opt/libraries",
        Path(__file__).parent: "/opt/tests",
    }
    python = interpreter()
    with booted(binds) as machine:
        machine.run(str(python), "-m", "venv", "--without-pip", "/opt/pro-engine")
        site = machine.out(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        machine.write(f"{site}/libraries.pth", "/opt/libraries\n")
        pip = ("pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed")
        machine.run(PYTHON, "-m", *pip, f"/opt/wheel/{wheel.name}", env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        for user in ("ann", "bob"):
            machine.run("useradd", "--create-home", user)
        # stands in for NVIDIA's: install looks for it, and the unit has root run it before the service
        machine.write("/usr/local/bin/nvidia-modprobe", '#!/bin/sh\necho "$@" >>/run/nvidia-modprobe\n')
        machine.run("chmod", "755", "/usr/local/bin/nvidia-modprobe")
        yield machine


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """As `sudo pro-engine service install --system` by ann leaves it."""
    machine.write(f"{UNIT}.d/50-test.conf", DROP_IN)
    machine.run(PRO_ENGINE, "service", "install", "--system", env={"SUDO_USER": "ann"})
    return machine


def until(what: Callable[[], Any], seconds: float = MOST_SECONDS) -> Any:
    """Ask until the answer is something."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return answer


def ask(machine: Machine, *words: str) -> Any:
    return json.loads(machine.out(PYTHON, "/opt/tests/visitor.py", "ask", *words))


def published(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.out("cat", "/run/pro-engine/runtime.json"))
    return found


def main_pid(machine: Machine) -> int:
    return int(machine.show("MainPID"))


def serving_again(machine: Machine, before: int) -> bool:
    """With another supervisor than `before`."""
    return main_pid(machine) not in {0, before} and machine.show("ActiveState") == "active"


def events(machine: Machine, name: str) -> list[dict[str, Any]]:
    """The service's own log lines of that name, from the journal."""
    lines = machine.out("journalctl", "--unit=pro-engine", "--output=cat", "--no-pager").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in found if event.get("event") == name]


@contextmanager
def drop_in(machine: Machine, text: str) -> Iterator[None]:
    path = f"{UNIT}.d/60-passing.conf"
    machine.write(path, text)
    machine.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        machine.run("rm", path)
        machine.run("systemctl", "daemon-reload")


@dataclass
class Load:
    answered: int = 0
    statuses: list[int] = field(default_factory=list)
    lost: list[tuple[float, str]] = field(default_factory=list)


@contextmanager
def load(machine: Machine, at_once: int = 8) -> Iterator[Load]:
    """Eight programs that ask without a pause, each over a fresh connection; known at the end: who was not answered."""
    asking = subprocess.Popen(
        machine.words(PYTHON, "/opt/tests/visitor.py", "load", str(at_once)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    result = Load()
    try:
        assert asking.stdout
        assert asking.stdout.readline() == "asking\n"
        yield result
        out, _ = asking.communicate(timeout=MOST_SECONDS)
        for name, value in json.loads(out).items():
            setattr(result, name, value)
    finally:
        asking.kill()
        asking.wait()
        for pipe in (asking.stdin, asking.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def test_it_is_active_only_after_a_daemon_serves(installed: Machine) -> None:
    unit = "/org/freedesktop/systemd1/unit/pro_2dengine_2eservice"
    interface = ("org.freedesktop.systemd1", unit, "org.freedesktop.systemd1.Unit")
    entered = int(installed.out("busctl", "get-property", *interface, "ActiveEnterTimestamp").split()[1])
    serving = events(installed, "serving")[-1]["timestamp"]
    told = subprocess.run(["date", "-d", serving, "+%s%6N"], capture_output=True, text=True, check=True)
    assert entered >= int(told.stdout)
    assert ask(installed, "GET", "/health")["status"] in {"healthy", "starting"}


def test_a_second_install_changes_nothing_and_says_so(installed: Machine) -> None:
    before = main_pid(installed)
    ended = installed.run(PRO_ENGINE, "service", "install", "--system", env={"SUDO_USER": "ann"})
    assert ended.stdout == "It is installed already; nothing was changed.\n"
    assert main_pid(installed) == before


def test_status_tells_of_the_unit_and_its_drop_ins(installed: Machine) -> None:
    ended = installed.run(PRO_ENGINE, "service", "status", "--system", user="bob")
    for line in (f"pid      {main_pid(installed)}", "starts   enabled", f"unit     {UNIT}", f"drop-in  {UNIT}.d/50-"):
        assert line in ended.stdout
    assert ended.stdout.startswith("service  active (running)")


def test_systemd_finds_nothing_wrong_with_the_unit(installed: Machine) -> None:
    ended = installed.run("systemd-analyze", "verify", UNIT)
    assert (ended.stdout, ended.stderr) == ("", "")


def test_what_is_exposed_stays_small(installed: Machine) -> None:
    says = installed.out("systemd-analyze", "security", "--no-pager", "pro-engine.service")
    score = re.search(r"Overall exposure level for pro-engine\.service: ([\d.]+)", says)
    assert score
    assert float(score[1]) <= EXPOSURE, says


def test_it_runs_as_its_own_user_with_folders_of_its_own(installed: Machine) -> None:
    for path, mode, group in (
        ("/var/lib/pro-engine", "700", "pro-engine"),
        ("/var/cache/pro-engine", "700", "pro-engine"),
        ("/run/pro-engine", "750", "pro-engine"),
        ("/run/pro-engine/token", "640", "pro-engine"),
        ("/run/pro-engine/secret", "640", "pro-engine"),
        ("/run/pro-engine/runtime.json", "640", "pro-engine"),
        ("/var/lib/pro-engine/token", "600", "pro-engine"),
    ):
        assert installed.out("stat", "--format=%a %U %G", path) == f"{mode} pro-engine {group}", path


def test_the_nvidia_module_for_computing_is_loaded_before_it_starts(installed: Machine) -> None:
    assert installed.out("cat", "/run/nvidia-modprobe").splitlines()[0] == "-u -c 0"


def test_a_member_of_the_group_uses_it_without_ado(installed: Machine) -> None:
    assert "at http://127.0.0.1:3007" in installed.out(PRO_ENGINE, "status", user="ann")
    installed.run("cp", "/opt/pictures/small.png", "/tmp/small.png")
    installed.run("chown", "ann:", "/tmp/small.png")
    installed.run(PRO_ENGINE, "upscale", "/tmp/small.png", "-o", "/tmp/ann.png", "--scale", "2", user="ann")
    size = installed.out("od", "-A", "n", "-t", "u1", "-j", "16", "-N", "8", "/tmp/ann.png")
    assert size.split() == ["0", "0", "0", "128", "0", "0", "0", "96"]
    assert [job["state"] for job in ask(installed, "GET", "/api/jobs")["jobs"] if job["name"] == "small.png"] == [
        "done"
    ]
    assert installed.out(PRO_ENGINE, "token", user="ann") == installed.out("cat", "/var/lib/pro-engine/token")


def test_somebody_else_is_told_how_to_become_one(installed: Machine) -> None:
    ended = installed.run(PRO_ENGINE, "status", user="bob", check=False)
    assert ended.returncode == 69
    assert "`sudo usermod -aG pro-engine bob`, and log in again" in ended.stderr
    installed.run("usermod", "-aG", "pro-engine", "bob")
    installed.run(PRO_ENGINE, "status", user="bob")


def test_its_log_is_for_who_may_read_the_journal_and_others_are_told_how(installed: Machine) -> None:
    words = (PRO_ENGINE, "logs", "-n", "1000")
    shown = installed.out(*words)
    assert re.search(r"^\d{4}-\d\d-\d\d [\d:.]{12} info     serving address=", shown, re.MULTILINE)
    closed = installed.run(*words, user="ann", check=False)
    assert (closed.returncode, closed.stdout) == (77, "")
    assert f"`sudo {PRO_ENGINE} logs`, or `sudo usermod -aG systemd-journal ann`" in closed.stderr
    installed.run("usermod", "-aG", "systemd-journal", "ann")
    assert "info     serving" in installed.out(*words, user="ann")
    job = ask(installed, "POST", "/api/process?scale_factor=2x&name=small.png", "/opt/pictures/small.png")
    until(lambda: ask(installed, "GET", f"/api/jobs/{job['id']}")["state"] == "done")
    of_job = until(lambda: installed.out(PRO_ENGINE, "logs", "--json", "--job", job["id"], user="ann"))
    assert [json.loads(line)["outcome"] for line in of_job.splitlines() if "job_over" in line] == ["done"]


def test_its_log_is_followed_as_it_is_written_until_an_interrupt(installed: Machine) -> None:
    follow = ("sh", "-c", 'echo $$; exec "$@"', "follow", PRO_ENGINE, "logs", "-f", "-n", "1", "--json")
    with subprocess.Popen(installed.words(*follow), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        pid = following.stdout.readline().strip()
        try:
            assert json.loads(following.stdout.readline())["event"]
            job = ask(installed, "POST", "/api/process?scale_factor=3x&name=small.png", "/opt/pictures/small.png")
            for line in following.stdout:
                if json.loads(line)["event"] == "job_over" and job["id"] in line:
                    break
        finally:
            installed.run("kill", "-INT", pid)
        assert following.wait() == 130
    assert installed.run("pgrep", "--exact", "journalctl", check=False).returncode == 1


def test_a_reload_reads_the_settings_again_replaces_the_daemon_and_loses_nothing(installed: Machine) -> None:
    supervisor, daemon = main_pid(installed), published(installed)["daemon_pid"]
    installed.write(CONFIG, "max_output_megapixels = 123\n")
    with load(installed) as asked:
        installed.run("systemctl", "reload", "pro-engine")
        until(
            lambda: (
                published(installed)["daemon_pid"] not in {None, daemon} and published(installed)["state"] == "serving"
            )
        )
    assert asked.lost == []
    assert asked.statuses == [200]
    assert asked.answered > 0
    assert main_pid(installed) == supervisor
    assert installed.show("ActiveState") == "active"
    limits = ask(installed, "GET", "/api/service-info")["capabilities"]["limits"]
    assert limits["output_pixels"] == 123_000_000


def test_a_reload_with_settings_that_are_wrong_leaves_the_old_daemon_serving(installed: Machine) -> None:
    before = published(installed)
    installed.write(CONFIG, "port = 'none'\n")
    try:
        installed.run("systemctl", "reload", "pro-engine", check=False)
        until(
            lambda: published(installed)["state"] == "serving" and "called off" in (published(installed)["why"] or "")
        )
    finally:
        installed.run("rm", CONFIG)
    assert published(installed)["daemon_pid"] == before["daemon_pid"]
    assert ask(installed, "GET", "/health")["pid"] == before["daemon_pid"]


def test_a_restart_keeps_whoever_connects_waiting_and_loses_nobody(installed: Machine) -> None:
    before, port = main_pid(installed), published(installed)["port"]
    job = ask(installed, "POST", "/api/process?scale_factor=2x&name=kept.png", "/opt/pictures/small.png")
    token = installed.out("cat", "/run/pro-engine/token")
    with load(installed) as asked:
        installed.run("systemctl", "restart", "pro-engine")
    assert asked.lost == []
    assert asked.answered > 0
    assert serving_again(installed, before)
    assert published(installed)["port"] == port
    assert installed.out("cat", "/run/pro-engine/token") == token
    assert job["id"] in [kept["id"] for kept in ask(installed, "GET", "/api/jobs")["jobs"]]


def test_a_kill_of_everything_costs_only_what_was_being_answered(installed: Machine) -> None:
    before = main_pid(installed)
    with load(installed) as asked:
        killed_after = time.monotonic()
        installed.run("systemctl", "kill", "--signal=KILL", "pro-engine")
        killed_before = time.monotonic()
        until(lambda: serving_again(installed, before))
    assert [began for began, _ in asked.lost if began > killed_before] == []
    assert len(asked.lost) <= 8
    assert asked.answered > 0
    assert killed_before - killed_after < 10
    assert events(installed, "listening")[-1]["inherited"]


def test_a_supervisor_that_hangs_is_replaced_by_the_watchdog(installed: Machine) -> None:
    with drop_in(installed, "[Service]\nWatchdogSec=3\n"):
        installed.run("systemctl", "restart", "pro-engine")
        before = main_pid(installed)
        installed.run("kill", "-STOP", str(before))
        until(lambda: serving_again(installed, before))
        assert installed.show("NRestarts") == "1"
        assert ask(installed, "GET", "/health")["status"] in {"healthy", "starting"}
    installed.run("systemctl", "restart", "pro-engine")


def test_a_stop_lets_the_running_job_finish_and_the_next_start_still_has_it(installed: Machine) -> None:
    job = ask(installed, "POST", "/api/process?scale_factor=8x&name=large.png", "/opt/pictures/large.png")
    until(lambda: ask(installed, "GET", f"/api/jobs/{job['id']}")["state"] == "running")
    installed.run("systemctl", "stop", "pro-engine")
    assert installed.show("Result") == "success"
    assert installed.run("test", "-e", "/run/pro-engine/runtime.json", check=False).returncode == 1
    installed.run("systemctl", "start", "pro-engine")
    found = ask(installed, "GET", f"/api/jobs/{job['id']}")
    assert (found["state"], found["restarts"], found["attempts"]) == ("done", 0, 0)


def opened_by_the_driver(machine: Machine) -> bool:
    """Whether a restart ends with llvmpipe in use. On a machine that is busy it may miss the deadline for a device."""
    machine.run("systemctl", "restart", "pro-engine")
    until(lambda: ask(machine, "GET", "/health")["services"]["hardware_detector"]["devices"])
    found = ask(machine, "GET", "/health")["services"]
    if "llvmpipe" in found["hardware_detector"]["devices"][0]:
        return True
    assert "did not start within" in found["webgpu"]["rejected"][0]["reason"], found
    return False


@pytest.mark.timeout(300)
def test_a_vulkan_driver_can_do_its_work_inside_the_hardening(installed: Machine) -> None:
    """Mesa's software driver: it compiles at run time as drivers of GPUs do, and asks for less of the machine."""
    if installed.run("sh", "-c", "ls /usr/share/vulkan/icd.d/lvp_icd*", check=False).returncode:
        missing("no Vulkan driver", "sudo apt-get install libvulkan1 mesa-vulkan-drivers")
    with drop_in(installed, "[Service]\nEnvironment=PRO_ENGINE_DEVICE=llvmpipe\n"):
        until(lambda: opened_by_the_driver(installed), 150)
        job = ask(installed, "POST", "/api/process?scale_factor=2x&name=small.png", "/opt/pictures/small.png")
        until(lambda: ask(installed, "GET", f"/api/jobs/{job['id']}")["state"] == "done")
    installed.run("systemctl", "restart", "pro-engine")


def test_settings_that_are_wrong_end_it_for_good_and_not_in_a_loop(installed: Machine) -> None:
    with drop_in(installed, "[Service]\nEnvironment=PRO_ENGINE_PORT=none\n"):
        installed.run("systemctl", "restart", "pro-engine", check=False)
        until(lambda: installed.show("ActiveState") == "failed")
        assert installed.show("ExecMainStatus") == "78"
        assert installed.run(PRO_ENGINE, "service", "status", "--system", check=False).returncode == 3
    installed.run("systemctl", "start", "pro-engine")


def test_an_edited_unit_is_neither_replaced_nor_removed_but_by_force(installed: Machine) -> None:
    installed.run("sed", "-i", "s/^TasksMax=.*/TasksMax=600/", UNIT)
    before = main_pid(installed)
    for action in ("install", "uninstall"):
        ended = installed.run(PRO_ENGINE, "service", action, "--system", check=False)
        assert ended.returncode == 73
        assert f"{UNIT} was edited; `--force`" in ended.stderr
    assert "TasksMax=600" in installed.out("cat", UNIT)
    assert main_pid(installed) == before
    installed.run(PRO_ENGINE, "service", "install", "--system", "--force")
    assert "TasksMax=512" in installed.out("cat", UNIT)
    assert serving_again(installed, before)


def test_uninstall_takes_away_what_install_wrote_and_leaves_what_others_did(installed: Machine) -> None:
    ended = installed.run(PRO_ENGINE, "service", "uninstall", "--system")
    assert "/var/lib/pro-engine" in ended.stdout
    assert installed.show("LoadState") == "not-found"
    assert installed.run("pgrep", "--uid=pro-engine", check=False).returncode == 1
    assert installed.out("ls", f"{UNIT}.d") == "50-test.conf"
    assert installed.out("ls", "/var/lib/pro-engine/token")
    assert installed.run(PRO_ENGINE, "service", "status", "--system", check=False).returncode == 4
    again = installed.run(PRO_ENGINE, "service", "uninstall", "--system")
    assert again.stdout == "It is not installed; nothing was changed.\n"


def test_a_user_without_a_session_is_told_how_to_have_a_service(machine: Machine) -> None:
    ended = machine.run(PRO_ENGINE, "service", "install", user="bob", check=False)
    assert ended.returncode == 69
    assert "`sudo loginctl enable-linger bob`" in ended.stderr
    assert machine.run("test", "-e", "/home/bob/.config", check=False).returncode == 1


@pytest.fixture(scope="module")
def anns(machine: Machine) -> dict[str, str]:
    """What ann's programs find in their environment once she has a systemd of her own."""
    machine.run("loginctl", "enable-linger", "ann")
    uid = machine.out("id", "--user", "ann")
    until(lambda: machine.show("ActiveState", f"user@{uid}.service") in {"active", "failed"})
    if machine.show("ActiveState", f"user@{uid}.service") == "failed":
        missing("no systemd of a user's own can be started", PACKAGES)
    return {"XDG_RUNTIME_DIR": f"/run/user/{uid}"}


def test_a_users_own_service_is_installed_used_reloaded_and_taken_away(machine: Machine, anns: dict[str, str]) -> None:
    def as_ann(*words: str) -> str:
        return machine.run(*words, user="ann", env=anns).stdout.strip()

    def runtime() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(as_ann("cat", "/home/ann/.local/state/pro-engine/runtime.json"))
        return found

    unit = "/home/ann/.config/systemd/user/pro-engine.service"
    machine.run("install", "-d", "-o", "ann", "-g", "ann", *(str(p) for p in reversed(Path(f"{unit}.d").parents[:4])))
    machine.run("install", "-d", "-o", "ann", "-g", "ann", f"{unit}.d")
    machine.write(f"{unit}.d/50-test.conf", DROP_IN)
    assert "Installed." in as_ann(PRO_ENGINE, "service", "install")
    assert as_ann("systemctl", "--user", "is-active", "pro-engine") == "active"
    verified = machine.run("systemd-analyze", "--user", "verify", unit, user="ann", env=anns)
    assert (verified.stdout, verified.stderr) == ("", "")
    shown = as_ann(PRO_ENGINE, "service", "status")
    assert shown.startswith("service  active (running)")
    assert "linger   on" in shown
    assert "pid 0" not in as_ann(PRO_ENGINE, "status")
    machine.run("usermod", "-aG", "systemd-journal", "ann")
    assert "info     serving address=" in as_ann(PRO_ENGINE, "logs", "-n", "1000")
    assert "nothing was changed" in as_ann(PRO_ENGINE, "service", "install")
    before = runtime()
    as_ann("systemctl", "--user", "reload", "pro-engine")
    until(lambda: runtime()["daemon_pid"] not in {None, before["daemon_pid"]} and runtime()["state"] == "serving")
    assert runtime()["pid"] == before["pid"]
    assert "/home/ann/.local/state/pro-engine" in as_ann(PRO_ENGINE, "service", "uninstall")
    assert machine.run("test", "-e", unit, check=False).returncode == 1
    assert machine.run("pgrep", "--uid=ann", "-f", "supervisor", check=False).returncode == 1


def test_an_installation_in_somebodys_home_is_refused_for_the_system(machine: Machine) -> None:
    machine.run(str(interpreter()), "-m", "venv", "--without-pip", "/home/ann/own")
    site = machine.out("/home/ann/own/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    ours = machine.out(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    machine.write(f"{site}/ours.pth", f"{ours}\n/opt/libraries\n")
    words = ("/home/ann/own/bin/python", "-m", "daemon.cli", "service", "install", "--system")
    before = machine.run("sha256sum", UNIT, check=False).stdout
    ended = machine.run(*words, check=False)
    assert ended.returncode == 78
    assert "/home/ann/own" in ended.stderr
    assert "/opt/pro-engine" in ended.stderr
    assert machine.run("sha256sum", UNIT, check=False).stdout == before


def test_an_installation_whose_path_has_odd_letters_is_started_as_it_is(machine: Machine) -> None:
    odd = "/opt/odd 100% $HOME;é @x"
    machine.run("ln", "-s", "/opt/pro-engine", odd)
    machine.run(f"{odd}/bin/python", "-m", "daemon.cli", "service", "install", "--system")
    assert machine.show("ActiveState") == "active"
    assert machine.out("cat", f"/proc/{main_pid(machine)}/cmdline").startswith("/opt/pro-engine/bin/python")
    assert odd in machine.show("ExecStart")
    machine.run(PRO_ENGINE, "service", "uninstall", "--system")
