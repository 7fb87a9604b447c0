from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from supervisor.errors import WrongSettings
from supervisor.log import LogFormat
from supervisor.settings import read_settings
from tests.supervisor.conftest import Start

GIVEN = {"PRO_ENGINE_STATE_DIR": "/var/lib/x"}
WRONG = [
    ("PRO_ENGINE_STATE_DIR", "relative/path"),
    ("PRO_ENGINE_STATE_DIR", ""),
    ("PRO_ENGINE_HOST", "localhost"),
    ("PRO_ENGINE_HOST", ""),
    ("PRO_ENGINE_PORT", "65536"),
    ("PRO_ENGINE_PORT", "-1"),
    ("PRO_ENGINE_PORT", "80.0"),
    ("PRO_ENGINE_PORT", "³"),
    ("PRO_ENGINE_LOG_FORMAT", "xml"),
    ("PRO_ENGINE_DRAIN_DEADLINE", "0"),
    ("PRO_ENGINE_HEARTBEAT_DEADLINE", "nan"),
    ("PRO_ENGINE_START_DEADLINE", "soon"),
    ("PRO_ENGINE_BACKOFF_FIRST", "-1"),
    ("PRO_ENGINE_BACKOFF_MAX", "inf"),
    ("PRO_ENGINE_BACKOFF_RESET", "1e9"),
]


def test_everything_but_the_state_folder_has_a_default() -> None:
    settings = read_settings(GIVEN)
    assert (settings.state_dir, settings.host, settings.port) == (Path("/var/lib/x"), "127.0.0.1", 3007)
    assert settings.log_format is LogFormat.AUTO
    assert settings.daemon_command == (sys.executable, "-P", "-m", "daemon")


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(WrongSettings, match=name):
        read_settings(GIVEN | {name: value})


def test_the_state_folder_is_required() -> None:
    with pytest.raises(WrongSettings, match="PRO_ENGINE_STATE_DIR must be set"):
        read_settings({})


@pytest.mark.parametrize(("name", "value"), [("PRO_ENGINE_PORT", "many"), ("PRO_ENGINE_STATE_DIR", "/dev/null/x")])
async def test_the_command_exits_78_and_says_which_variable(start: Start, name: str, value: str) -> None:
    supervised = await start({name: value})
    assert await supervised.exit_code() == 78
    assert name in supervised.output[-1]


async def test_an_address_that_is_not_here_yet_is_worth_another_start(start: Start) -> None:
    supervised = await start({"PRO_ENGINE_HOST": "192.0.2.1"})  # kept for documentation, so no machine has it
    assert await supervised.exit_code() == os.EX_UNAVAILABLE
    assert "PRO_ENGINE_HOST" in supervised.output[-1]
