"""What is installed is what the tree holds, from a clone and from a wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from daemon.cli import service_units
from daemon.cli.service_text import Standing, standing
from daemon.cli.service_units import LATER_VERSIONS, agent, scope_of, units
from tests.cli.service_stand_ins import a_place

ROOT = Path(__file__).parents[2]
NVIDIA = "/usr/bin/nvidia-modprobe"


def shipped() -> dict[str, bytes]:
    folders = (ROOT / "systemd", ROOT / "launchd")
    return {str(p.relative_to(ROOT)): p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()}


def test_every_template_is_filled_in_to_the_last_placeholder_and_signed(tmp_path: Path) -> None:
    place = a_place(tmp_path, nvidia_modprobe=NVIDIA)
    texts = [agent(place)]
    for system in (True, False):
        texts += units(scope_of(place, system=system), place, max(LATER_VERSIONS)).values()
    assert len(texts) == 10
    for text in texts:
        assert not re.search(r"@\w+@", text)
        assert standing(text, "") is Standing.OURS


def test_a_wheel_carries_the_templates_and_no_package_named_systemd(tmp_path: Path) -> None:
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name: wheel.read(name) for name in wheel.namelist()}
    inside = "daemon/cli/units/"
    assert {name.removeprefix(inside): held[name] for name in held if name.startswith(inside)} == shipped()
    tops = {name.split("/")[0] for name in held if ".dist-info/" not in name}
    assert tops == {"daemon", "supervisor", "shaders"}


def test_an_installed_wheel_reads_its_own_templates_and_a_clone_the_trees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "systemd/user/pro-engine.service"
    assert service_units.template(name) == (ROOT / name).read_text()
    (tmp_path / "systemd/user").mkdir(parents=True)
    (tmp_path / name).write_text("from the wheel")
    monkeypatch.setattr(service_units, "_SHIPPED", tmp_path)
    assert service_units.template(name) == "from the wheel"
