"""`pro-engine login`, `whoami`, `usage`, `upscale` and `logout`, with a service that has accounts."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from tests.accounts.fake_project import KEY, FakeProject, fake_project
from tests.api.conftest import PATIENCE, Service, png, running
from tests.cli.conftest import Command, Ended

EMAIL, PASSWORD = "ann@example.org", "correct horse 1"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}  # as on a machine without a desktop


class FakeSignIn(FakeProject):
    """A fake project where one user can sign in, by password or by a code."""

    def __init__(self) -> None:
        super().__init__()
        self.user = str(uuid.uuid4())
        self.seconds = 3600
        self.signed_out = 0

    async def answer(self, request: web.Request) -> web.Response:
        if request.path in {"/auth/v1/token", "/auth/v1/verify"} and self.fails is None:
            body = await request.json()
            if body.get("password", PASSWORD) != PASSWORD or body.get("token", "123456") != "123456":
                return web.json_response({"error_code": "invalid_credentials", "msg": "Invalid login"}, status=400)
            return web.json_response(
                {
                    "access_token": self.token(sub=self.user),
                    "refresh_token": uuid.uuid4().hex,
                    "expires_in": self.seconds,
                    "user": {"id": self.user, "email": EMAIL},
                }
            )
        if request.path == "/auth/v1/otp":
            return web.json_response({})
        if request.path == "/auth/v1/logout":
            self.signed_out += 1
            return web.Response(status=204)
        return await super().answer(request)


@pytest.fixture
async def fake() -> AsyncIterator[FakeSignIn]:
    one = FakeSignIn()
    async with fake_project(one):
        yield one


@pytest.fixture
async def with_accounts(fake: FakeSignIn, home: Path, kernel_cache: Path) -> AsyncIterator[Service]:
    """A running service that the command finds."""
    async with running(home, kernel_cache, supabase_url=fake.url, supabase_anon_key=KEY) as service:
        runtime = {"host": "127.0.0.1", "port": service.port}
        (home / "state" / "runtime.json").write_text(json.dumps(runtime))
        yield service


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | NO_KEYRING


async def typed(environment: dict[str, str], text: str, *words: str) -> Ended:
    """A command that reads what is asked for from a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "daemon.cli", *words),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(6 * PATIENCE):
        out, err = await process.communicate(text.encode())
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def login(environment: dict[str, str], password: str = PASSWORD) -> Ended:
    return await typed(environment, f"{password}\n", "login", "--email", EMAIL)


async def test_who_has_signed_in_enlarges_and_sees_what_it_came_to(
    command: Command, environment: dict[str, str], with_accounts: Service, fake: FakeSignIn, home: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(png())
    refused = await command("upscale", str(picture), "--scale", "2")
    assert refused.status != 0
    assert "pro-engine login" in refused.err
    signed_in = await login(environment)
    assert (signed_in.status, signed_in.err) == (0, "")
    assert f"Signed in as {EMAIL}" in signed_in.out
    assert (home / "state" / "session.json").stat().st_mode & 0o777 == 0o600
    done = await command("upscale", str(picture), "--scale", "2")
    assert done.status == 0, done.err
    with Image.open(io.BytesIO(next(tmp_path.glob("cat?*.png")).read_bytes())) as made:
        assert made.size == (48, 36)
    assert fake.counting.used(fake.user) == 1
    shown = await command("usage")
    assert (shown.status, shown.out.splitlines()[:2]) == (
        0,
        ["tier   free", "day    1 of 10 jobs, until 2099-01-01"],
    )
    assert json.loads((await command("usage", "--json")).out)["day"]["used"] == 1
    named = await command("whoami")
    assert named.out.startswith(f"{EMAIL} ({fake.user})\n")
    fake.counting.limit = 1
    picture.write_bytes(png())
    refused = await command("upscale", str(picture), "--scale", "2", "--force")
    assert refused.status != 0
    assert "all 1 jobs of this day are used" in refused.out
    out = await command("logout")
    assert (out.status, out.out, fake.signed_out) == (0, f"{EMAIL} is signed out.\n", 1)
    assert (await command("whoami")).status == 1


async def test_a_wrong_password_is_told_and_nothing_kept(
    environment: dict[str, str], with_accounts: Service, home: Path
) -> None:
    refused = await login(environment, "wrong")
    assert (refused.status, refused.err) == (1, "pro-engine: Invalid login (sign_in_refused)\n")
    assert not (home / "state" / "session.json").exists()
    assert PASSWORD not in refused.out + refused.err


async def test_a_code_by_mail_signs_in_too(environment: dict[str, str], with_accounts: Service) -> None:
    ended = await typed(environment, "123456\n", "login", "--email", EMAIL, "--code")
    assert ended.status == 0, ended.err
    assert f"A code is on its way to {EMAIL}." in ended.out


async def test_a_session_that_has_ended_is_renewed_by_the_next_command(
    command: Command, environment: dict[str, str], with_accounts: Service, fake: FakeSignIn, home: Path
) -> None:
    fake.seconds = 1
    await login(environment)
    before = json.loads((home / "state" / "session.json").read_text())["refresh_token"]
    fake.seconds = 3600
    assert (await command("usage")).status == 0
    assert json.loads((home / "state" / "session.json").read_text())["refresh_token"] != before


async def test_without_accounts_there_is_nothing_to_sign_in_to(
    command: Command, environment: dict[str, str], published: Service
) -> None:
    refused = await login(environment)
    assert (refused.status, "no accounts" in refused.err) == (78, True)
    assert (await command("usage")).status == 1
    assert (await command("logout")).out == "Nobody is signed in on this machine.\n"


async def test_with_accounts_nothing_is_enlarged_beside_the_service(
    command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    """A worker of the command's own charges nobody."""
    (tmp_path / "cat.png").write_bytes(png())
    project = {"SUPABASE_URL": "https://abc.supabase.co", "SUPABASE_ANON_KEY": KEY}
    refused = await command("upscale", "cat.png", **project)
    assert (refused.status, "no service is running" in refused.err) == (69, True)
    assert [path.name for path in tmp_path.glob("*.png")] == ["cat.png"]
