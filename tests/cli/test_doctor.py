"""`pro-engine doctor`: what is there, and why not more."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.api.conftest import Service
from tests.cli.conftest import Command
from tests.supervisor.conftest import free_port


async def test_it_names_the_device_and_the_folders(command: Command, home: Path) -> None:
    ended = await command("doctor")
    assert (ended.status, ended.err) == (0, "")
    assert "in use: its self-test passed" in ended.out
    assert str(home / "state") in ended.out
    assert "no service is running" in ended.out
    assert "numba" in ended.out


async def test_it_shows_reasons_and_folders_with_brackets_as_they_are(
    command: Command, home: Path, tmp_path: Path
) -> None:
    """The console's markup would swallow them, or break over them."""
    (tmp_path / "fake" / "wgpu").mkdir(parents=True)
    (tmp_path / "fake" / "wgpu" / "__init__.py").write_text("raise OSError('[vulkan] gave [/red] up')")
    state = home / "a [bold] b [/x]"
    ended = await command(
        "doctor", PRO_ENGINE_STATE_DIR=str(state), PRO_ENGINE_DEVICE="auto", PYTHONPATH=str(tmp_path / "fake")
    )
    assert (ended.status, ended.err) == (0, "")
    assert str(state) in ended.out
    assert "[vulkan] gave [/red] up" in ended.out
    assert "apt-get install" in ended.out


async def test_it_changes_nothing(command: Command, home: Path) -> None:
    fresh = home / "fresh"
    ended = await command("doctor", PRO_ENGINE_STATE_DIR=str(fresh / "s"), PRO_ENGINE_CACHE_DIR=str(fresh / "c"))
    assert ended.status == 0
    assert not fresh.exists()


async def test_it_says_nothing_of_the_port_where_the_service_has_it(command: Command, published: Service) -> None:
    ended = await command("doctor", PRO_ENGINE_PORT=str(published.port))
    assert f"at http://127.0.0.1:{published.port}" in ended.out
    assert "\nport " not in ended.out


async def test_it_says_who_has_the_port_that_the_service_wants(command: Command) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        ended = await command("doctor", PRO_ENGINE_PORT=str(port))
    assert f"\nport       {port} on 127.0.0.1 is held by " in ended.out
    assert f"(pid {os.getpid()}, user " in ended.out
