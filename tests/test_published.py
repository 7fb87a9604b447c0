"""Which service a client finds: the user's own, else the machine's, else a sentence that helps."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.accounts.local import LocalAccess, share
from daemon.client import connect
from daemon.errors import ServiceUnreachable
from daemon.published import Address, published_services, system_folders
from daemon.settings import Folders
from tests.api.conftest import running


@pytest.fixture
def own(tmp_path: Path) -> Folders:
    return folders(tmp_path / "own")


@pytest.fixture
def machines(tmp_path: Path) -> Folders:
    return folders(tmp_path / "shared")


def folders(path: Path) -> Folders:
    path.mkdir()
    return Folders(path, path)


def env_of(machines: Folders) -> dict[str, str]:
    return {"PRO_ENGINE_SHARED_DIR": str(machines.state)}


def publish(found: Folders, port: int) -> None:
    found.runtime_file.write_text(json.dumps({"host": "127.0.0.1", "port": port}))


def test_ones_own_service_comes_before_the_machines(own: Folders, machines: Folders) -> None:
    publish(machines, 2)
    assert list(published_services(own, env_of(machines))) == [(Address("127.0.0.1", 2), machines)]
    publish(own, 1)
    assert [address.port for address, _ in published_services(own, env_of(machines))] == [1, 2]


def test_the_machines_is_looked_for_where_the_unit_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert system_folders({}).runtime_file == Path("/run/pro-engine/runtime.json")
    assert system_folders({"PRO_ENGINE_SHARED_DIR": "/x"}).token == Path("/x/token")


def test_whoever_is_not_in_the_group_is_told_the_command(
    own: Folders, machines: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != machines.state)
    with pytest.raises(ServiceUnreachable, match=r"`sudo usermod -aG pro-engine \S+`, and log in again"):
        list(published_services(own, env_of(machines)))


async def test_a_service_left_behind_of_ones_own_does_not_hide_the_machines(
    tmp_path: Path, own: Folders, machines: Folders, kernel_cache: Path
) -> None:
    publish(own, 1)
    own.secret.write_text("left behind")
    async with running(tmp_path, kernel_cache, shared_dir=machines.state) as service:
        publish(machines, service.port)
        async with connect(own, env_of(machines)) as client:
            assert client.url == f"http://127.0.0.1:{service.port}"
            assert (await client.service_info())["name"] == "pro-engine"
    for name in ("token", "secret"):
        assert stat.S_IMODE((machines.state / name).stat().st_mode) == 0o640
        assert (machines.state / name).read_text() == (service.values.folders.state / name).read_text()


async def test_where_nothing_answers_the_first_reason_is_told(own: Folders, machines: Folders) -> None:
    for found in (own, machines):
        publish(found, 1)
    machines.secret.write_text("x")
    with pytest.raises(ServiceUnreachable, match="own/secret cannot be read"):
        async with connect(own, env_of(machines)):
            pass


def test_copies_for_the_group_replace_older_ones_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    before = os.umask(0o077)
    try:
        share(LocalAccess("new", b"secret"), tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "token").read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "token"]


def test_a_folder_that_takes_no_copies_is_logged_and_the_service_goes_on(tmp_path: Path) -> None:
    with capture_logs() as logged:
        share(LocalAccess("word", b"of mouth"), tmp_path / "gone")
    assert [entry["event"] for entry in logged] == ["token_not_shared"]
    assert "word" not in str(logged)
