from __future__ import annotations

import pytest

from supervisor.__main__ import daemon_command, main
from supervisor.errors import WrongUsage


def test_the_daemon_command_stands_behind_two_dashes() -> None:
    assert daemon_command(["--", "python", "-m", "x"]) == ["python", "-m", "x"]
    assert daemon_command([]) == ()


@pytest.mark.parametrize("arguments", [["--"], ["python"], ["--help"]])
def test_anything_else_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongUsage):
        daemon_command(arguments)
    assert main(arguments) == 64
    assert "usage:" in capsys.readouterr().err
