"""`config.toml`: what lasts between starts. The environment has the last word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config_file import KINDS, path_of, read_config
from daemon.errors import WrongSettings
from daemon.settings import DEFAULT_ORIGINS, FOR_THE_SUPERVISOR, read, supervisor_environ
from daemon.settings_table import EVERY
from supervisor.settings import read_settings

Write = Callable[[str], dict[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the file that the environment it returns names."""

    def write(text: str) -> dict[str, str]:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return {"HOME": "/home/ann", "PRO_ENGINE_CONFIG": str(path)}

    return write


def test_what_the_file_says_is_read_in_tomls_own_types(write: Write) -> None:
    found = read(
        write(
            'device = ["cpu", "Radeon"]\norigins = ["http://localhost:1"]\nhosts = "nas, nas.local"\nport = 0\n'
            'cache_hours = 0.5\ndrain_seconds = 3\nlog_format = "json"\nstate_dir = "~/here"\n'
        )
    )
    assert (found.devices, found.origins, found.hosts) == (
        ("cpu", "Radeon"),
        ("http://localhost:1",),
        ("nas", "nas.local"),
    )
    assert (found.port, found.cache_ttl, found.drain_seconds, found.log_format) == (0, 1800.0, 3.0, "json")
    assert found.folders.state == Path("~/here").expanduser()


def test_the_environment_wins_over_the_file_and_the_file_over_what_is_usual(write: Write) -> None:
    env = write('port = 4000\ndevice = "gpu"\nstate_dir = "/of/the/file"\n') | {"PRO_ENGINE_PORT": "5000"}
    env["STATE_DIRECTORY"] = "/of/systemd"
    found = read(env)
    assert (found.port, found.devices, found.host) == (5000, ("gpu",), "127.0.0.1")
    assert found.folders.state == Path("/of/the/file")
    assert read(env | {"PRO_ENGINE_STATE_DIR": "/mine"}).folders.state == Path("/mine")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('port = "3007"', "port is '3007'; it must be a whole number"),
        ("port = 70000", "port is '70000'; it must be a port"),
        ("port = true", "port is True; it must be a whole number"),
        ("port = 3.5", "port is 3.5; it must be a whole number"),
        ('cache_hours = "1"', "cache_hours is '1'; it must be a number"),
        ("cache_hours = nan", "cache_hours is 'nan'; it must be a number of hours above 0"),
        ("device = 1", "device is 1; it must be text"),
        ("device = []", "device is []; it must be text"),
        ("pairing = 1", "pairing is 1; it must be true or false"),
        ('pairing = "true"', "pairing is 'true'; it must be true or false"),
        ("cache_hours = true", "cache_hours is True; it must be a number"),
        ('host = "localhost"', "host is 'localhost'; it must be a literal address"),
        ("retry_every = 1e9", "retry_every is '1000000000.0'; it must be a number of seconds"),
        ("crashes_most = 0", "crashes_most is '0'; it must be a whole number from 1 to 1000"),
        ('device = ["a", 1]', "device is"),
        ('device = ["a,b"]', "device is"),
        ('device = ""', "device is ''"),
        ('log_format = "xml"', "log_format is 'xml'; it must be auto, json or pretty"),
        ('state_dir = "here"', "state_dir is 'here'; it must be an absolute path"),
        ('state_dir = "~nobody-of-this-name/x"', "it must be an absolute path"),
        ('cache_dir = "/a\\u0000b"', "it must be an absolute path"),
        ('origins = ["http://a\\u0000b"]', "it must be text"),
        ('devices = "cpu"', "there is no setting 'devices'; is it 'device'?"),
        ("[server]\nport = 1", "there is no setting 'server'"),
        ("listen_fds = 3", "there is no setting 'listen_fds'"),
        ("port 3007", "is no TOML"),
    ],
)
def test_a_slip_is_named_with_the_file_and_the_key(write: Write, text: str, says: str) -> None:
    env = write(text)
    with pytest.raises(WrongSettings, match=f"^{re.escape(env['PRO_ENGINE_CONFIG'])}:? .*{re.escape(says)}"):
        read(env)


def test_a_file_that_is_no_text_is_named(write: Write) -> None:
    env = write("")
    Path(env["PRO_ENGINE_CONFIG"]).write_bytes(b"host = '\xff'")
    with pytest.raises(WrongSettings, match="is no TOML"):
        read(env)


def test_a_file_that_is_named_must_be_there_and_the_usual_one_may_be_missing(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert read(env).port == 3007
    with pytest.raises(WrongSettings, match=r"gone.toml, which PRO_ENGINE_CONFIG names, is not there"):
        read(env | {"PRO_ENGINE_CONFIG": str(tmp_path / "gone.toml")})


def test_a_file_that_cannot_be_read_is_no_missing_one(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pro-engine" / "config.toml").mkdir(parents=True)
    with pytest.raises(WrongSettings, match=r"config.toml cannot be read: Is a directory"):
        read({"HOME": str(tmp_path)})


def test_the_file_lies_where_it_is_named_else_where_systemd_says_else_where_the_platform_has_such_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    env = {"HOME": "/home/ann"}
    assert path_of(env) == Path("/home/ann/.config/pro-engine/config.toml")
    env["XDG_CONFIG_HOME"] = "/xdg"
    assert path_of(env) == Path("/xdg/pro-engine/config.toml")
    monkeypatch.setattr("sys.platform", "darwin")
    assert path_of(env) == Path("/home/ann/Library/Application Support/pro-engine/config.toml")
    env["CONFIGURATION_DIRECTORY"] = "/etc/pro-engine:/etc/more"
    assert path_of(env) == Path("/etc/pro-engine/config.toml")
    env["PRO_ENGINE_CONFIG"] = "/mine.toml"
    assert path_of(env) == Path("/mine.toml")


def test_the_supervisor_is_told_what_concerns_it_unless_the_environment_says_it_already(write: Write) -> None:
    env = write('host = "::1"\nport = 4000\ndrain_deadline = 30\nlog_format = "json"\nmax_queue = 7\n')
    told = supervisor_environ(env | {"PRO_ENGINE_PORT": "5000"})
    assert told == {
        "PRO_ENGINE_HOST": "::1",
        "PRO_ENGINE_DRAIN_DEADLINE": "30",
        "PRO_ENGINE_LOG_FORMAT": "json",
        "PRO_ENGINE_STATE_DIR": "/home/ann/.local/state/pro-engine",
        "PRO_ENGINE_CACHE_DIR": "/home/ann/.cache/pro-engine",
        "PRO_ENGINE_ORIGINS": ",".join(DEFAULT_ORIGINS),
        "PRO_ENGINE_FROM_FILE": "drain_deadline,log_format,origins",
        "PRO_ENGINE_UNTIL_RESTART": "cache_dir,host,state_dir",
    }


def test_the_supervisor_is_told_whose_pages_may_read_and_the_next_daemon_still_reads_the_file(write: Write) -> None:
    env = write('origins = ["http://one:1"]')
    assert supervisor_environ(env)["PRO_ENGINE_ORIGINS"] == "http://one:1"
    assert "PRO_ENGINE_ORIGINS" not in supervisor_environ(env | {"PRO_ENGINE_ORIGINS": "http://own:1"})
    env |= supervisor_environ(env)
    assert read(env | write('origins = ["http://two:2"]')).origins == ("http://two:2",)
    assert read(env | write("")).origins == DEFAULT_ORIGINS


def test_the_next_daemon_reads_the_file_anew_but_for_where_clients_look_for_it(write: Write) -> None:
    """Its environment is the supervisor's, which has what the file said when the supervisor started."""
    env = write('port = 4000\nlog_format = "json"\nmax_queue = 7\nstate_dir = "/before"\n')
    env |= supervisor_environ(env)
    env |= write('port = 5000\nlog_format = "pretty"\nmax_queue = 8\nstate_dir = "/after"\n')
    found = read(env)
    assert (found.log_format, found.max_queue) == ("pretty", 8)
    assert (found.port, found.folders.state) == (4000, Path("/before"))
    assert read(env | write("")).log_format == "auto"


def test_every_key_that_the_supervisor_is_told_is_a_key_of_the_file() -> None:
    assert set(FOR_THE_SUPERVISOR) <= set(KINDS)


def test_what_only_our_own_processes_and_a_unit_say_cannot_stand_in_the_file() -> None:
    only_ours = {"listen_fds", "lifeline_fd", "heartbeat_fd", "instance", "restarts", "standby"}
    only_ours |= {"safe_mode", "shared_dir"}
    assert {setting.key for setting in EVERY} - set(KINDS) == only_ours
    assert {setting.key for setting in EVERY} >= set(KINDS)


def test_an_empty_list_is_no_word_where_none_is_usual(write: Write) -> None:
    assert read(write("hosts = []")).hosts == ()


def test_what_is_true_or_false_is_so_in_the_file_too(write: Write) -> None:
    found = read(write("start_paused = true\npairing = false"))
    assert (found.start_paused, found.pairing) == (True, False)


def test_who_was_told_already_is_told_the_same_again(write: Write) -> None:
    """As where one is started out of what another one started."""
    env = write('host = "::1"\nport = 4000\nretry_every = 30\n') | {"PRO_ENGINE_CACHE_DIR": "/mine"}
    told = supervisor_environ(env)
    assert supervisor_environ(env | told) == told


def test_the_supervisor_is_told_a_clean_word_where_the_environments_is_none(write: Write) -> None:
    """It takes its environment to the letter, and would end with 78 for what is no mistake to the daemon."""
    env = write("retry_every = 5") | {
        "PRO_ENGINE_PORT": " 4000 ",
        "PRO_ENGINE_HOST": "",
        "PRO_ENGINE_RETRY_EVERY": " ",
        "PRO_ENGINE_BACKOFF_MAX": "",
        "PRO_ENGINE_STATE_DIR": "here",
    }
    told = env | supervisor_environ(env)
    supervised = read_settings(told)
    assert (supervised.port, supervised.host, supervised.state_dir) == (4000, "127.0.0.1", Path.cwd() / "here")
    assert (supervised.intensity.retry_every, supervised.backoff.longest) == (5.0, 30.0)
    assert told["PRO_ENGINE_FROM_FILE"] == "backoff_max,origins,retry_every"
    assert told["PRO_ENGINE_UNTIL_RESTART"] == "cache_dir,host"


@given(st.text())
def test_whatever_stands_in_the_file_is_read_or_named_wrong(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    wrong = ""
    try:
        read_config({"PRO_ENGINE_CONFIG": str(path)})
    except WrongSettings as error:
        wrong = error.message
    assert wrong == "" or wrong.startswith(str(path))


def test_the_daemon_ends_with_78_and_the_sentence(write: Write) -> None:
    env = write("max_queue = 0")
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "daemon"], env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 78
    said = f"pro-engine: {env['PRO_ENGINE_CONFIG']}: max_queue is '0'; it must be a whole number, 1 or more\n"
    assert ended.stderr == said
