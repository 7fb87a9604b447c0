"""The unit file and the supervisor's own figures agree."""

from __future__ import annotations

import os
from configparser import ConfigParser

from supervisor.child import ABORT_DEADLINE
from supervisor.errors import ALREADY_RUNNING
from supervisor.heartbeat import LOOK_EVERY
from supervisor.settings import read_settings
from tests.supervisor.conftest import ROOT

DEFAULTS = read_settings({"PRO_ENGINE_STATE_DIR": "/x"})


def service() -> dict[str, str]:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "systemd" / "pro-engine.service")
    return dict(unit["Service"])


def test_systemd_waits_for_longer_than_a_drain_can_take() -> None:
    assert int(service()["TimeoutStopSec"]) > DEFAULTS.drain_deadline + ABORT_DEADLINE


def test_systemd_waits_for_longer_than_a_first_start_can_take() -> None:
    assert int(service()["TimeoutStartSec"]) > DEFAULTS.deadlines.start + ABORT_DEADLINE + LOOK_EVERY


def test_systemd_restarts_after_every_exit_that_another_start_may_mend() -> None:
    prevented = {int(code) for code in service()["RestartPreventExitStatus"].split()}
    assert prevented == {os.EX_USAGE, os.EX_CONFIG, ALREADY_RUNNING}
