"""The unit files and the supervisor's own figures agree."""

from __future__ import annotations

import os
import plistlib
from configparser import ConfigParser
from pathlib import Path

import pytest

from supervisor.child import ABORT_DEADLINE
from supervisor.errors import ALREADY_RUNNING
from supervisor.heartbeat import LOOK_EVERY
from supervisor.settings import read_settings
from tests.supervisor.conftest import ROOT

DEFAULTS = read_settings({"PRO_ENGINE_STATE_DIR": "/x"})
UNITS = ("systemd/system/pro-engine.service", "systemd/user/pro-engine.service")
# What only the machine's own service can have, or needs.
OF_THE_SYSTEM = {"User", "Group", "SupplementaryGroups", "StateDirectory", "ProtectSystem", "DevicePolicy"}


@pytest.fixture(params=UNITS)
def service(request: pytest.FixtureRequest) -> dict[str, str]:
    return read(ROOT / request.param)


def read(path: Path) -> dict[str, str]:
    unit = ConfigParser(interpolation=None, strict=False)  # what may stand more than once is not what is looked at
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    return dict(unit["Service"])


def test_systemd_waits_for_longer_than_a_drain_can_take(service: dict[str, str]) -> None:
    assert int(service["TimeoutStopSec"]) > DEFAULTS.drain_deadline + ABORT_DEADLINE


def test_launchd_waits_for_longer_than_a_drain_can_take() -> None:
    agent = plistlib.loads((ROOT / "launchd/app.pro-upscaler.engine.plist").read_bytes())
    assert agent["ExitTimeOut"] > DEFAULTS.drain_deadline + ABORT_DEADLINE


def test_systemd_waits_for_longer_than_a_first_start_can_take(service: dict[str, str]) -> None:
    assert int(service["TimeoutStartSec"]) > DEFAULTS.deadlines.start + ABORT_DEADLINE + LOOK_EVERY


def test_systemd_restarts_after_every_exit_that_another_start_may_mend(service: dict[str, str]) -> None:
    prevented = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert prevented == {os.EX_USAGE, os.EX_CONFIG, ALREADY_RUNNING}
    assert service["Restart"] == "always"


def test_both_units_promise_the_same_where_both_speak() -> None:
    system, user = (read(ROOT / unit) for unit in UNITS)
    assert {name: system[name] for name in user if name != "SystemCallFilter"} == {
        name: value for name, value in user.items() if name != "SystemCallFilter"
    }
    assert set(system) > OF_THE_SYSTEM
    assert not OF_THE_SYSTEM & set(user)
