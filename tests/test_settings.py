from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import WrongSettings
from daemon.settings import DEFAULT_ORIGINS, Held, folders, held_until_restart, read, supervisor_environ
from daemon.settings_table import EVERY
from daemon.settings_table.kinds import Kind
from daemon.settings_table.setting import Setting
from daemon.settings_table.supervisors import SUPERVISORS

HOME = {"HOME": "/home/ann"}
PROJECT = {"SUPABASE_URL": "https://abc.supabase.co/", "SUPABASE_ANON_KEY": "sb_publishable_x"}


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
        ("HOST", "localhost"),
        ("PORT", "3_007"),
        ("PAIRING", "maybe"),
        ("MAX_FRAMES", "0"),
        ("CACHE_MB", "1e4"),
        ("CACHE_MB", "10000000000"),
        ("EVENT_DAYS", "3651"),
        ("HEADER_SECONDS", "86401"),
        ("RESTARTS", "-1"),
        ("RESTARTS", "many"),
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


OTHERS = {
    "host": "::1",
    "log_format": "json",
    "worker_memory_mb": "1",
    "supabase_url": "https://b.co",
    "supabase_anon_key": "sb_publishable_y",
}
BY_KIND = {
    Kind.WHOLE: "7",
    Kind.NUMBER: "8",
    Kind.WORDS: "http://x:1",
    Kind.FOLDER: "/x",
    Kind.TEXT: "x",
    Kind.MAYBE_TEXT: "x",
}


def another(setting: Setting[Any]) -> str:
    """A right value that is not the default."""
    if setting.form.kind is Kind.TRUTH:
        return "0" if setting.default == "true" else "1"
    return OTHERS.get(setting.key) or ("5,6" if setting.key == "listen_fds" else BY_KIND[setting.form.kind])


@pytest.mark.parametrize("setting", [one for one in EVERY if one not in SUPERVISORS], ids=lambda one: one.key)
def test_each_setting_of_the_table_counts(setting: Setting[Any]) -> None:
    before = HOME | (PROJECT if setting.key.startswith("supabase") else {})
    assert read(before | {setting.variable: another(setting)}) != read(before)


def test_units_are_turned_into_bytes_pixels_and_seconds() -> None:
    found = read(HOME)
    assert (found.max_upload_bytes, found.max_message_bytes, found.cache_bytes) == (512 << 20, 64 << 10, 10 << 30)
    assert (found.max_source_pixels, found.max_output_pixels) == (100_000_000, 400_000_000)
    assert (found.pin_seconds, found.event_seconds, found.keep_alive_seconds) == (3600.0, 7 * 86_400.0, 75.0)
    assert (found.max_queue, found.max_queue_per_client, found.max_subscribers) == (2000, 1000, 1000)
    assert (found.pairing, found.start_paused) == (True, False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"DRAIN_SECONDS": "90"}, "PRO_ENGINE_DRAIN_SECONDS is '90'; it must be below drain_deadline, which is 90"),
        ({"DRAIN_DEADLINE": "20"}, "PRO_ENGINE_DRAIN_DEADLINE is '20'; it must be above drain_seconds, which is 20"),
        ({"DRAIN_SECONDS": "5", "DRAIN_DEADLINE": "4"}, "PRO_ENGINE_DRAIN_SECONDS is '5'; it must be below"),
    ],
)
def test_jobs_are_not_promised_more_time_than_the_supervisor_gives(words: dict[str, str], says: str) -> None:
    with pytest.raises(WrongSettings, match=says):
        read(HOME | {f"PRO_ENGINE_{name}": value for name, value in words.items()})
    assert read(HOME | {"PRO_ENGINE_DRAIN_SECONDS": "500", "PRO_ENGINE_DRAIN_DEADLINE": "501"}).drain_seconds == 500


def test_what_the_file_changed_in_vain_is_told_with_the_value_in_use(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('host = "::1"\nretry_every = 5\nmax_queue = 5\n')
    env = HOME | {"PRO_ENGINE_CONFIG": str(file), "PRO_ENGINE_CACHE_DIR": "/mine"}
    env |= supervisor_environ(env)
    assert list(held_until_restart(env)) == []
    file.write_text('port = 4000\nretry_every = 5.0\ncache_dir = "/others"\nhealth_every = 3\nmax_queue = 6\n')
    source = f"file {file}"
    assert list(held_until_restart(env)) == [
        Held("host", "::1", "127.0.0.1", "default"),
        Held("port", "3007", "4000", source),
        Held("health_every", "10", "3", source),
    ]
    assert (read(env).host, read(env).port, read(env).max_queue) == ("::1", 3007, 6)


def test_a_wrong_value_that_only_the_next_start_would_meet_is_told_now(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    env = HOME | {"PRO_ENGINE_CONFIG": str(file)}
    env |= supervisor_environ(env)
    file.write_text("port = 70000")
    with pytest.raises(WrongSettings, match="port is '70000'; it must be a port"):
        list(held_until_restart(env))


def test_nothing_is_held_where_no_supervisor_was_told(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("port = 4000")
    assert list(held_until_restart(HOME | {"PRO_ENGINE_CONFIG": str(file)})) == []


def test_the_settings_load_nothing_heavy() -> None:
    """The command line reads them for every word, and a standby while the present daemon works."""
    says = "import sys, daemon.settings; print(sorted({'pydantic', 'aiohttp', 'asyncio', 'rich'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def legacy_key(role: str) -> str:
    """As projects had them: a JWT, here without a signature that anybody would check."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"


def test_a_project_is_named_by_the_names_that_others_have_for_it_or_by_ours() -> None:
    found = read(HOME | PROJECT)
    assert (found.supabase_url, found.supabase_anon_key) == ("https://abc.supabase.co", "sb_publishable_x")
    ours = read(HOME | PROJECT | {"PRO_ENGINE_SUPABASE_URL": "http://localhost:54321"})
    assert ours.supabase_url == "http://localhost:54321"
    assert read(HOME).supabase_url == ""
    assert read(HOME | PROJECT | {"SUPABASE_ANON_KEY": legacy_key("anon")}).supabase_anon_key == legacy_key("anon")


@pytest.mark.parametrize("key", ["sb_secret_abc", legacy_key("service_role"), legacy_key("postgres")])
def test_a_secret_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(WrongSettings, match="never a secret one") as refused:
        read(HOME | PROJECT | {"SUPABASE_ANON_KEY": key})
    assert key not in refused.value.message
    assert "SUPABASE_ANON_KEY" in refused.value.message


@pytest.mark.parametrize("missing", sorted(PROJECT))
def test_half_a_project_is_none(missing: str) -> None:
    with pytest.raises(WrongSettings, match="accounts need both"):
        read(HOME | {name: value for name, value in PROJECT.items() if name != missing})


@pytest.mark.parametrize(
    "url",
    ["abc.supabase.co", "http://abc.supabase.co", "ftp://localhost", "https://", "https://a:b@c.co", "https://a.co?x"],
)
def test_an_address_that_tokens_must_not_go_to_is_refused(url: str) -> None:
    with pytest.raises(WrongSettings, match="SUPABASE_URL"):
        read(HOME | PROJECT | {"SUPABASE_URL": url})
