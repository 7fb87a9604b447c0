"""A session is renewed in time, by one program at a time, and survives a project that is out of reach."""

from __future__ import annotations

import asyncio
import dataclasses
import stat
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daemon.accounts.project import Project
from daemon.errors import AccessTokenRequired, AuthUnavailable, SignInRefused
from daemon.signin.keeping import FileKeeping, KeyringKeeping, keeping_for
from daemon.signin.session import Session, from_answer, from_text
from daemon.signin.signed_in import access_token, opened_auth

USER = str(uuid.uuid4())
Refusal = dict[str, str] | None


class FakeAuth:
    """A fake of Supabase Auth's sessions: a refresh token is good once, and using one twice ends them all."""

    def __init__(self) -> None:
        self.url = ""
        self.good = "refresh-0"
        self.used: list[str] = []
        self.refreshes = 0
        self.fails: int | None = None
        self.user = USER
        self.signed_out: list[str] = []
        self.codes: dict[str, str] = {}

    def session(self) -> dict[str, Any]:
        return {
            "access_token": f"access-{self.refreshes}",
            "refresh_token": self.good,
            "expires_in": 3600,
            "user": {"id": self.user, "email": "ann@example.org"},
        }

    async def answer(self, request: web.Request) -> web.Response:
        if self.fails is not None:
            return web.Response(status=self.fails, text="upstream connect error")
        if request.path == "/auth/v1/logout":
            self.signed_out.append(request.headers["Authorization"])
            return web.Response(status=204)
        body = await request.json()
        name = request.query.get("grant_type", request.path.rpartition("/")[2])
        refused = await getattr(self, f"_{name}")(body)
        return web.json_response(refused or self.session(), status=400 if refused else 200)

    async def _password(self, body: dict[str, str]) -> Refusal:
        if (body["email"], body["password"]) == ("ann@example.org", "right"):
            return None
        return {"error_code": "invalid_credentials", "msg": "Invalid login credentials"}

    async def _refresh_token(self, body: dict[str, str]) -> Refusal:
        await asyncio.sleep(0.05)  # for others to come by
        if body["refresh_token"] != self.good:
            self.good = "none"
            return {"error_code": "refresh_token_already_used", "msg": "Invalid Refresh Token: Already Used"}
        self.refreshes += 1
        self.good = f"refresh-{self.refreshes}"
        return None

    async def _otp(self, body: dict[str, Any]) -> Refusal:
        if body["email"] != "ann@example.org" or body["create_user"]:
            return {"error_code": "otp_disabled", "msg": "Signups not allowed for otp"}
        self.codes[body["email"]] = "123456"
        return None

    async def _verify(self, body: dict[str, str]) -> Refusal:
        if self.codes.pop(body["email"], None) == body["token"]:
            return None
        return {"error_code": "otp_expired", "msg": "Token has expired or is invalid"}


@asynccontextmanager
async def fake_auth() -> AsyncIterator[FakeAuth]:
    fake = FakeAuth()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


@pytest.fixture
async def fake() -> AsyncIterator[FakeAuth]:
    async with fake_auth() as one:
        yield one


@pytest.fixture
def keeping(fake: FakeAuth, tmp_path: Path) -> FileKeeping:
    """A session that has ended."""
    kept = FileKeeping(tmp_path / "session.json")
    kept.save(Session(fake.url, USER, "ann@example.org", "access-old", "refresh-0", time.time() - 10))
    return kept


def project(fake: FakeAuth) -> Project:
    return Project(fake.url, "sb_publishable_x")


async def token(fake: FakeAuth, keeping: FileKeeping, tmp_path: Path, refused: str | None = None) -> str:
    return await access_token(project(fake), keeping, tmp_path / "session.lock", refused)


def lasting(keeping: FileKeeping, seconds: float) -> None:
    session = keeping.load()
    assert session is not None
    keeping.save(dataclasses.replace(session, expires_at=time.time() + seconds))


async def test_a_token_that_is_good_is_given_and_nobody_is_asked(
    fake: FakeAuth, keeping: FileKeeping, tmp_path: Path
) -> None:
    lasting(keeping, 3600)
    fake.fails = 500
    assert await token(fake, keeping, tmp_path) == "access-old"


async def test_many_at_once_renew_it_once(fake: FakeAuth, keeping: FileKeeping, tmp_path: Path) -> None:
    found = await asyncio.gather(*(token(fake, keeping, tmp_path) for _ in range(20)))
    assert set(found) == {"access-1"}
    assert fake.refreshes == 1
    session = keeping.load()
    assert session is not None
    assert (session.refresh_token, session.user) == ("refresh-1", USER)


async def test_one_that_was_refused_is_renewed_though_it_seems_good(
    fake: FakeAuth, keeping: FileKeeping, tmp_path: Path
) -> None:
    lasting(keeping, 3600)
    assert await token(fake, keeping, tmp_path, refused="access-old") == "access-1"
    assert await token(fake, keeping, tmp_path, refused="access-old") == "access-1"
    assert fake.refreshes == 1


async def test_offline_the_session_is_kept_and_used_to_its_very_end(
    fake: FakeAuth, keeping: FileKeeping, tmp_path: Path
) -> None:
    lasting(keeping, 30)  # it should be renewed
    fake.fails = 503
    assert await token(fake, keeping, tmp_path) == "access-old"
    lasting(keeping, -1)
    with pytest.raises(AuthUnavailable):
        await token(fake, keeping, tmp_path)
    fake.fails = None
    assert await token(fake, keeping, tmp_path) == "access-1"


async def test_a_session_that_the_project_has_ended_asks_for_a_sign_in(
    fake: FakeAuth, keeping: FileKeeping, tmp_path: Path
) -> None:
    fake.good = "another"
    with pytest.raises(AccessTokenRequired, match=r"sign in again.*Already Used"):
        await token(fake, keeping, tmp_path)


async def test_a_session_of_another_user_or_project_is_none(
    fake: FakeAuth, keeping: FileKeeping, tmp_path: Path
) -> None:
    fake.user = str(uuid.uuid4())
    with pytest.raises(AccessTokenRequired, match="again"):
        await token(fake, keeping, tmp_path)
    with pytest.raises(AccessTokenRequired, match="nobody"):
        await access_token(Project("https://another.supabase.co", "k"), keeping, tmp_path / "lock")
    keeping.forget()
    with pytest.raises(AccessTokenRequired, match="nobody"):
        await token(fake, keeping, tmp_path)


async def test_signing_in_by_password_and_by_code(fake: FakeAuth) -> None:
    async with opened_auth(project(fake)) as auth:
        with pytest.raises(SignInRefused, match="Invalid login"):
            await auth.with_password("ann@example.org", "wrong")
        assert (await auth.with_password("ann@example.org", "right")).email == "ann@example.org"
        with pytest.raises(SignInRefused, match="not allowed"):
            await auth.send_code("nobody@example.org")
        await auth.send_code("ann@example.org")
        with pytest.raises(SignInRefused, match="expired"):
            await auth.with_code("ann@example.org", "000000")
        await auth.send_code("ann@example.org")
        session = await auth.with_code("ann@example.org", "123456")
        await auth.sign_out(session)
        assert fake.signed_out == [f"Bearer {session.access_token}"]
        fake.fails = 502
        with pytest.raises(AuthUnavailable):
            await auth.with_password("ann@example.org", "right")


def test_a_session_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    keeping = FileKeeping(tmp_path / "new" / "session.json")
    session = Session("https://x", USER, "ann@example.org", "a-secret", "another-secret", 5.0)
    keeping.save(session)
    assert keeping.load() == session
    assert stat.S_IMODE((tmp_path / "new" / "session.json").stat().st_mode) == 0o600
    assert "secret" not in repr(session)
    keeping.forget()
    keeping.forget()
    assert keeping.load() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1}', '{"expires_at": "soon"}', "null"])
def test_what_is_no_session_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(text)
    assert FileKeeping(tmp_path / "session.json").load() is None
    assert from_text(text) is None


@pytest.mark.parametrize("answer", [None, [], {}, {"user": None}, {"access_token": "a", "user": {"id": "x"}}])
def test_an_answer_without_a_session_is_none(answer: Any) -> None:
    assert from_answer("https://x", answer, 0.0) is None


class FakeKeyring:
    """A keyring in memory, which may refuse: the desktop's own needs a desktop."""

    priority = 5

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.refuses = False

    def get_password(self, service: str, name: str) -> str | None:
        self._check()
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self._check()
        self.kept[service, name] = text

    def delete_password(self, service: str, name: str) -> None:
        import keyring.errors

        self._check()
        if self.kept.pop((service, name), None) is None:
            raise keyring.errors.PasswordDeleteError("there is none")

    def _check(self) -> None:
        import keyring.errors

        if self.refuses:
            raise keyring.errors.KeyringLocked("it is locked")


def test_where_there_is_a_keyring_it_keeps_the_session_and_a_file_takes_its_place_where_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring

    ring = FakeKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(ring, name))
    file = tmp_path / "session.json"
    keeping = keeping_for(file)
    assert isinstance(keeping, KeyringKeeping)
    session = Session("https://x", USER, "ann@example.org", "a", "r", 5.0)
    keeping.save(session)
    assert not file.exists()
    assert keeping.load() == session
    ring.refuses = True
    keeping.save(session)
    assert file.exists()
    assert keeping.load() == session
    ring.refuses = False
    keeping.forget()
    assert keeping.load() is None
    assert ring.kept == {}
    ring.priority = 0
    assert isinstance(keeping_for(file), FileKeeping)
