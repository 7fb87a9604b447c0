"""What `pro-engine doctor` says of the port that the service wants. Whoever has it lives on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.cli.port import Holder, explain, find_holders, looks_like_the_old_engine
from tests.cli.conftest import Command
from tests.supervisor.conftest import free_port

HOST = "127.0.0.1"
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""
OLD_HEALTH = json.dumps({"status": "healthy", "services": {"sharp": "ok"}})


@contextmanager
def serving(port: int, health: str = "", *, called: str = "python3", folder: Path | None = None) -> Iterator[int]:
    """A decoy that answers `health`, asserted alive after all that was said of it."""
    process = subprocess.Popen(
        [called, "-c", SERVER, str(port), health],
        executable=sys.executable,
        cwd=folder,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONHOME": sys.base_prefix},
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process.pid
            assert process.poll() is None, "the decoy was ended"
        finally:
            process.kill()
            process.wait()


async def test_a_free_port_is_said_to_be_free() -> None:
    port = free_port()
    assert await explain(HOST, port) == f"{port} on {HOST} is free"


async def test_a_stranger_is_named_and_no_line_offered_that_ends_it() -> None:
    port = free_port()
    with serving(port, OLD_HEALTH) as pid:
        said = await explain(HOST, port)
        assert f"(pid {pid}, user " in said
        assert "another port" in said
        assert "--evict" not in said


@pytest.mark.parametrize(("health", "folder"), [
    (OLD_HEALTH, "somewhere"),
    ("not JSON", "pro-engine"),
    ("[]", "Pro Upscaler"),
    ("", "pro-upscaler-desktop"),
])  # fmt: skip
async def test_the_old_engine_is_recognised_by_its_folder_or_its_answer(
    health: str, folder: str, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / folder).mkdir()
    with serving(port, health, called="/usr/local/bin/node", folder=tmp_path / folder) as pid:
        said = await explain(HOST, port)
        assert "looks like the old engine of Pro Upscaler" in said
        assert said.endswith(f": pro-engine run --evict {pid}")


@pytest.mark.parametrize("health", ["", json.dumps({"status": "ok"}), json.dumps({"services": {}, "proof": "x"})])
async def test_any_other_node_process_is_a_stranger(health: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(port, health, called="node", folder=tmp_path):
        assert "--evict" not in await explain(HOST, port)


async def test_one_that_never_answers_is_a_stranger(tmp_path: Path) -> None:
    port = free_port()
    with serving(port, OLD_HEALTH, called="node", folder=tmp_path) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert "--evict" not in await explain(HOST, port)


async def test_another_pro_engine_is_said_to_be_one() -> None:
    port = free_port()
    with serving(port, json.dumps({"services": {}, "proof": "x"})) as pid:
        said = await explain(HOST, port)
        assert "is held by another Pro Engine: " in said
        assert f"(pid {pid}, user " in said


@pytest.mark.parametrize(("name", "command", "node"), [
    ("node", (), True),
    ("nodejs", (), True),
    ("electron", (), True),
    ("MainThread", ("/usr/bin/node18", "server.js"), True),
    ("python3", ("node_exporter",), False),
    ("nodemon-like", (), False),
])  # fmt: skip
def test_only_node_can_be_the_old_engine(name: str, command: tuple[str, ...], node: bool) -> None:
    holder = Holder(7, name, "me", command, "/home/me/pro-engine")
    assert looks_like_the_old_engine(holder, {}) == node


def test_a_holder_that_cannot_be_seen_is_said_to_be_so() -> None:
    assert str(Holder()) == "a process that this user cannot see"


def test_a_holder_on_every_address_is_found() -> None:
    port = free_port()
    with serving(port) as pid:
        assert [holder.pid for holder in find_holders("0.0.0.0", port)] == [pid]
        assert find_holders("127.0.0.2", port) == []


async def test_a_name_for_an_address_is_said_to_be_wrong() -> None:
    assert "literal address" in await explain("localhost", 3007)


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed (apt-get install nodejs)")
async def test_the_doctor_prints_the_line_for_the_old_engine(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "pro-upscaler" / "pro-engine"
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "server.js").write_text(
        "const server = require('http').createServer((request, response) => response.end('{\"services\": {}}'));"
        f"server.listen({port}, '0.0.0.0', () => console.log('ready'));"
    )
    with subprocess.Popen(["node", "server.js"], cwd=folder, stdout=subprocess.PIPE) as node:
        assert node.stdout
        try:
            assert node.stdout.readline() == b"ready\n"
            ended = await command("doctor", PRO_ENGINE_PORT=str(port))
            assert f"port       {port} on {HOST} is held by node (pid {node.pid}, " in ended.out
            assert f"pro-engine run --evict {node.pid}\n" in ended.out
            assert node.poll() is None
        finally:
            node.kill()
