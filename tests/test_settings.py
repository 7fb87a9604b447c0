from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import WrongSettings
from daemon.settings import DEFAULT_ORIGINS, folders, read

HOME = {"HOME": "/home/ann"}


def test_without_a_word_everything_has_a_value() -> None:
    found = read(HOME)
    assert (found.host, found.port, found.devices, found.origins) == ("127.0.0.1", 3007, ("auto",), DEFAULT_ORIGINS)
    assert (found.max_upload_bytes, found.cache_ttl, found.listen_fds) == (512 << 20, 86_400.0, ())
    assert found.lifeline_fd is None
    assert found.worker_memory > 1 << 20


def test_what_is_set_is_read() -> None:
    words = {"PORT": " 0 ", "LISTEN_FDS": "3,4", "DEVICE": "cpu, gpu", "CACHE_HOURS": "0.5", "LOG_FORMAT": "json"}
    found = read(HOME | {f"PRO_ENGINE_{name}": value for name, value in words.items()})
    assert (found.port, found.listen_fds, found.devices) == (0, (3, 4), ("cpu", "gpu"))
    assert (found.cache_ttl, found.log_format) == (1800.0, "json")


def test_in_safe_mode_there_is_the_cpu_and_nothing_else() -> None:
    assert read(HOME | {"PRO_ENGINE_SAFE_MODE": "1", "PRO_ENGINE_DEVICE": "gpu"}).devices == ("cpu",)
    assert read(HOME | {"PRO_ENGINE_SAFE_MODE": "0", "PRO_ENGINE_DEVICE": "gpu"}).devices == ("gpu",)


def test_an_empty_word_is_as_good_as_none() -> None:
    assert read(HOME | {"PRO_ENGINE_PORT": " "}).port == 3007


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "http"),
        ("LISTEN_FDS", "3,"),
        ("LIFELINE_FD", "x"),
        ("DEVICE", ","),
        ("ORIGINS", "localhost:3002"),
        ("ORIGINS", "http://localhost:3002/"),
        ("ORIGINS", "*"),
        ("ORIGINS", "null"),
        ("LOG_FORMAT", "xml"),
        ("MAX_UPLOAD_MB", "0"),
        ("MAX_QUEUE", "1.5"),
        ("CACHE_HOURS", "0"),
        ("CACHE_HOURS", "inf"),
        ("CACHE_HOURS", "nan"),
        ("DRAIN_SECONDS", "-1"),
        ("STANDBY", "yes"),
        ("SAFE_MODE", "2"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(name: str, value: str) -> None:
    with pytest.raises(WrongSettings, match=f"PRO_ENGINE_{name} is .*; it must be"):
        read(HOME | {f"PRO_ENGINE_{name}": value})


def test_folders_are_ours_by_name_else_systemds_else_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    env = dict(HOME)
    assert folders(env).state == Path("/home/ann/.local/state/pro-engine")
    env |= {"XDG_STATE_HOME": "/xdg", "XDG_CACHE_HOME": "/xdgc"}
    assert (folders(env).state, folders(env).cache) == (Path("/xdg/pro-engine"), Path("/xdgc/pro-engine"))
    env |= {"STATE_DIRECTORY": "/var/lib/pro-engine"}
    assert folders(env).state == Path("/var/lib/pro-engine")
    env |= {"PRO_ENGINE_STATE_DIR": "/mine"}
    assert folders(env).state == Path("/mine")
    assert folders(env).runtime_file == Path("/mine/runtime.json")
    monkeypatch.setattr("sys.platform", "darwin")
    assert folders(HOME).cache == Path("/home/ann/Library/Caches/pro-engine")


def test_pairing_is_on_unless_it_is_said_otherwise() -> None:
    assert read(HOME).pairing is True
    assert read(HOME | {"PRO_ENGINE_PAIRING": "0"}).pairing is False
    with pytest.raises(WrongSettings, match="PRO_ENGINE_PAIRING"):
        read(HOME | {"PRO_ENGINE_PAIRING": "no"})
