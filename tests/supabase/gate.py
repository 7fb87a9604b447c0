"""A gate before @supabase/lite, which adds what that lacks: an emulator of Supabase, named as one.

- Access tokens: lite's own, signed with a secret, are signed again with ES256, with the claims that GoTrue gives them;
  the public keys are at `/auth/v1/.well-known/jwks.json`, and can be rotated and revoked.
- Pages of other origins may read what `/auth/v1` answers and send it their headers, as of hosted projects.
- Times of `/auth/v1` as GoTrue writes them (RFC 3339).
- Faults: answers that fail, answers that are lost after the work is done, and delays.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric import ec

from daemon.accounts.project import Project
from tests.supabase.lite_server import JWT_SECRET, Lite

JWKS = "/auth/v1/.well-known/jwks.json"
HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "accept-encoding"}
STAMP = re.compile(rb'"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00"')
WITHOUT_BEARER = re.compile(r"/auth/v1/(token|signup|otp|verify|recover|resend)$")
OF_A_TOKEN = ("sub", "aud", "role", "email", "session_id", "iat", "exp")


class Gate:
    """`fail` is how many of the next requests get `status`; `lose`, of how many the answer is lost; `paths` restricts
    both to paths that contain it. `delay` is before each, in seconds. `seen` counts requests by path.
    """

    def __init__(self, lite: Lite) -> None:
        self.lite = lite
        self.url = ""
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.fail = 0
        self.status = 503
        self.lose = 0
        self.paths = "/"
        self.delay = 0.0
        self.down = False
        self.seen: dict[str, int] = {}
        self._http: ClientSession | None = None
        self.current = self.rotate()

    @property
    def project(self) -> Project:
        return Project(self.url, self.lite.publishable_key)

    def rotate(self) -> str:
        """Sign with a new key from now on; the others are published still."""
        self.current = str(uuid.uuid4())
        self.keys[self.current] = ec.generate_private_key(ec.SECP256R1())
        return self.current

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.keys[self.current], "ES256", headers={"kid": self.current})

    def token_with(self, token: str, **changes: Any) -> str:
        """A user's token with other claims, signed as the project does."""
        return self.sign({**jwt.decode(token, options={"verify_signature": False}), **changes})

    def _published(self) -> dict[str, Any]:
        algorithm: Any = jwt.algorithms.ECAlgorithm
        return {
            "keys": [
                {**json.loads(algorithm.to_jwk(key.public_key())), "kid": name, "alg": "ES256", "use": "sig"}
                for name, key in self.keys.items()
            ]
        }

    def _outward(self, token: str) -> str:
        claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"], audience="authenticated")
        more = {"iss": f"{self.url}/auth/v1", "aal": "aal1", "is_anonymous": False, "app_metadata": {}}
        return self.sign({**more, **claims})

    def _inward(self, token: str) -> str | None:
        """What lite takes in its place; None for one that the project would not take."""
        try:
            key = self.keys[jwt.get_unverified_header(token)["kid"]].public_key()
            claims = jwt.decode(token, key, algorithms=["ES256"], audience="authenticated")
        except (jwt.PyJWTError, KeyError):
            return None
        kept = {name: claims[name] for name in OF_A_TOKEN if name in claims}
        return jwt.encode({**kept, "iat": min(kept["iat"], int(time.time()) - 1)}, JWT_SECRET, "HS256")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen[request.path] = self.seen.get(request.path, 0) + 1
        if self.down:
            _hang_up(request)
        await asyncio.sleep(self.delay)
        if self.fail > 0 and self.paths in request.path:
            self.fail -= 1
            return web.Response(status=self.status, text="upstream connect error")
        if request.path == JWKS:
            return web.json_response(self._published())
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        if request.headers.get("Authorization", "").count(".") == 2:
            inward = self._inward(request.headers["Authorization"].removeprefix("Bearer "))
            if inward is None and not WITHOUT_BEARER.search(request.path):
                return _refusal(request.path)
            headers["Authorization"] = f"Bearer {inward}"
        assert self._http is not None
        async with self._http.request(
            request.method, self.lite.url + request.path_qs, headers=headers, data=await request.read()
        ) as response:
            body = await response.read()
            if self.lose > 0 and self.paths in request.path:
                self.lose -= 1
                _hang_up(request)
            kept = {name: value for name, value in response.headers.items() if name.lower() not in HOP}
            if not any(name.lower() == "access-control-allow-origin" for name in kept):
                kept["Access-Control-Allow-Origin"] = "*"
            if request.method == "OPTIONS":
                kept["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
            return web.Response(status=response.status, body=self._as_supabase(request.path, body), headers=kept)

    def _as_supabase(self, path: str, body: bytes) -> bytes:
        if not path.startswith("/auth/v1/"):
            return body
        body = STAMP.sub(rb'"\1T\2Z"', body)
        if b'"access_token"' not in body:
            return body
        session = json.loads(body)
        return json.dumps({**session, "access_token": self._outward(session["access_token"])}).encode()

    async def sign_up(self, email: str | None = None, password: str = "correct horse 1") -> Any:
        """A new user's session."""
        email = email or f"{uuid.uuid4().hex}@example.org"
        return await self.post("/auth/v1/signup", {"email": email, "password": password})

    async def post(self, path: str, body: Any, token: str | None = None) -> Any:
        assert self._http is not None
        headers = {"apikey": self.lite.publishable_key} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._http.post(self.url + path, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json(content_type=None)

    def _operator(self) -> dict[str, str]:
        return {"apikey": self.lite.secret_key, "Authorization": f"Bearer {self.lite.secret_key}"}

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """As the operator, with the secret key, behind the gate."""
        assert self._http is not None
        async with self._http.get(f"{self.lite.url}/rest/v1/{query}", headers=self._operator()) as response:
            assert response.status == 200, await response.text()
            found: list[dict[str, Any]] = await response.json()
            return found

    async def change(self, query: str, values: dict[str, Any]) -> None:
        """As `rows`."""
        assert self._http is not None
        headers = {**self._operator(), "Prefer": "return=representation"}
        async with self._http.patch(f"{self.lite.url}/rest/v1/{query}", json=values, headers=headers) as response:
            assert response.status == 200, await response.text()
            assert await response.json(), "there was nothing to change"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Gate]:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{tail:.*}", self.answer)
        runner = web.AppRunner(app)
        async with ClientSession() as self._http:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                await runner.cleanup()


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise web.HTTPBadGateway  # to nobody


def _refusal(path: str) -> web.Response:
    if "/rest/" in path:
        return web.json_response({"code": "PGRST301", "message": "JWT cryptographic operation failed"}, status=401)
    return web.json_response({"code": 403, "error_code": "bad_jwt", "msg": "invalid JWT"}, status=403)
