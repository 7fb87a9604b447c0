"""A fake of a Supabase project: it signs tokens, publishes its keys, says whose they are, and counts jobs."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daemon.accounts.project import Project
from tests.accounts.fake_counting import FakeCounting

KEY = "sb_publishable_key"
SECRET = "a secret of the project that nobody else has, 32 characters or more"


class FakeProject:
    """`fails` is a status that every answer has instead; `asked` counts questions by path."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.url = ""
        self.fails: int | None = None
        self.body: bytes | None = None  # in place of the keys
        self.asked: dict[str, int] = {}
        self.users: dict[str, str] = {}  # by token, of those signed with the secret
        self.counting = FakeCounting()
        self.lose = 0  # so many answers are lost, of what is asked of the database
        self.current = self.rotate()

    def rotate(self, algorithm: str = "ES256") -> str:
        """A new key, by which tokens are signed from now on; its id."""
        self.current = str(uuid.uuid4())
        if algorithm == "ES256":
            self.keys[self.current] = ec.generate_private_key(ec.SECP256R1())
        else:
            self.keys[self.current] = rsa.generate_private_key(65_537, 2048)
        return self.current

    def algorithm(self, key: str) -> str:
        return "RS256" if isinstance(self.keys[key], rsa.RSAPrivateKey) else "ES256"

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": f"{self.url}/auth/v1",
            "sub": str(uuid.uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "session_id": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: str | None = None, head: dict[str, Any] | None = None, **changes: Any) -> str:
        key = key or self.current
        return jwt.encode(
            self.claims(**changes), self.keys[key], self.algorithm(key), headers={"kid": key, **(head or {})}
        )

    def legacy_token(self, **changes: Any) -> str:
        claims = self.claims(**changes)
        token = jwt.encode(claims, SECRET, "HS256")
        self.users[token] = claims["sub"]
        return token

    def published(self) -> dict[str, Any]:
        kinds: dict[str, Any] = {"ES256": jwt.algorithms.ECAlgorithm, "RS256": jwt.algorithms.RSAAlgorithm}
        return {
            "keys": [
                {
                    **json.loads(kinds[self.algorithm(key)].to_jwk(private.public_key())),
                    "kid": key,
                    "alg": self.algorithm(key),
                    "use": "sig",
                }
                for key, private in self.keys.items()
            ]
        }

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        assert request.headers["apikey"] == KEY
        if self.fails is not None:
            return web.Response(status=self.fails, text="upstream connect error")
        if request.path.endswith("/jwks.json"):
            return web.json_response(self.published()) if self.body is None else web.Response(body=self.body)
        if request.path.startswith("/rest/v1/"):
            return await self._database(request)
        user = self.users.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return web.json_response({"error_code": "session_not_found"}, status=403)
        return web.json_response({"id": user, "is_anonymous": False})

    async def _database(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        user = jwt.decode(token, options={"verify_signature": False})["sub"]
        name = request.path.rpartition("/")[2]
        if name == "user_profiles":
            return web.json_response([{"subscription_tier": self.counting.tier}])
        body = await request.json()
        is_log = name == "usage_logs"
        answer = self.counting.write_log(user, body) if is_log else self.counting.call(name, user, body)
        if self.lose > 0:
            self.lose -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer

    @property
    def project(self) -> Project:
        return Project(self.url, KEY)

    @property
    def key_questions(self) -> int:
        return self.asked.get("/auth/v1/.well-known/jwks.json", 0)


@asynccontextmanager
async def fake_project(fake: FakeProject | None = None) -> AsyncIterator[FakeProject]:
    """It listens on this machine."""
    fake = fake or FakeProject()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
