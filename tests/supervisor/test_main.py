from __future__ import annotations

import pytest

from supervisor.__main__ import main, read_arguments
from supervisor.errors import WrongUsage


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
def test_anything_else_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WrongUsage):
        read_arguments(arguments)
    assert main(arguments) == 64
    assert capsys.readouterr().err.startswith("pro-engine: ")


def test_launchd_is_not_asked_to_try_again_what_no_restart_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRO_ENGINE_UNDER_LAUNCHD", "1")
    assert main(["--"]) == 0
    monkeypatch.delenv("PRO_ENGINE_STATE_DIR", raising=False)
    assert main([]) == 0
