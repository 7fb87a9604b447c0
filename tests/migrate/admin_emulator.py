"""A gate that has the admin API of Supabase Auth too, which @supabase/lite has not: an emulator, named as one.

Its rules are those of supabase/auth `internal/api/admin.go`, as we read them: it proves our code against that reading.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from aiohttp import web
from psycopg.types.json import Jsonb

from tests.supabase.gate import Gate
from tests.supabase.lite_server import Lite

SQL = Path(__file__).with_name("admin.sql")
ADMIN = "/auth/v1/admin/users"
CONNECTIONS = 4
BCRYPT = re.compile(r"\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}")
ARGON2 = re.compile(r"\$argon2(?:i|id)\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[^$]+\$[^$]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass
class Fault:
    """What happens to requests whose path contains `path`: refused before, or the answer lost after."""

    kind: Literal["refuse", "lose"]
    path: str = "/"
    status: int = 503
    times: int = 1
    method: str = ""
    body: Any = None
    retry_after: str = ""


class AdminGate(Gate):
    """`faults` are used up one by one. `on_request` is called with each path before anything happens to it."""

    def __init__(self, lite: Lite, dsn: str) -> None:
        super().__init__(lite)
        self.dsn = dsn
        self.faults: list[Fault] = []
        self.on_request: Callable[[str, str], None] = lambda _method, _path: None
        self.after_request: Callable[[str, str], None] = lambda _method, _path: None
        self.mails: list[str] = []
        self.created: list[str] = []
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.on_request(request.method, request.path)
        fault = self._fault(request)
        if fault is not None and fault.kind == "refuse":
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            if fault.body is not None:
                return web.json_response(fault.body, status=fault.status, headers=headers)
            return web.Response(status=fault.status, text="upstream connect error", headers=headers)
        response = await self._answer(request)
        self.after_request(request.method, request.path)
        if fault is not None and request.transport is not None:
            request.transport.abort()
            raise web.HTTPBadGateway
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/auth/v1/recover":
            self.mails.append((await request.json())["email"])
            return web.json_response({})
        if request.path.startswith(ADMIN):
            return await self._admin(request)
        return await super().answer(request)

    def _fault(self, request: web.Request, /) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.path in request.path and fault.method in {"", request.method}:
                fault.times -= 1
                return fault
        return None

    async def _admin(self, request: web.Request) -> web.Response:
        if self.lite.secret_key not in {request.headers.get("apikey"), request.headers.get("Authorization", "")[7:]}:
            return said(403, "not_admin", "User not allowed")
        name = request.path.removeprefix(ADMIN).strip("/")
        if name:
            return await self._one(request.method, uuid.UUID(name))
        if request.method == "GET":
            page, size = (int(request.query.get(key, usual)) for key, usual in (("page", 1), ("per_page", 50)))
            listed = await self.call("emulator.accounts", page, size)
            headers = {"X-Total-Count": str(listed["total"])}
            return web.json_response({"users": listed["users"], "aud": "authenticated"}, headers=headers)
        return await self._create(await request.json())

    async def _one(self, method: str, user: uuid.UUID) -> web.Response:
        account = await self.call("emulator.account", user)
        if account is None:
            return said(404, "user_not_found", "User not found")
        if method == "DELETE":
            await self.call("emulator.remove_account", user)
            return web.json_response({})
        return web.json_response(account)

    async def _create(self, asked: dict[str, Any]) -> web.Response:
        if not EMAIL.fullmatch(asked.get("email") or ""):
            return said(400, "validation_failed", "Unable to validate email address: invalid format")
        if asked.get("password_hash") and not is_taken(asked["password_hash"]):
            return said(500, "unexpected_failure", "Error creating user")
        # without a hash Auth makes a password up that nobody knows
        filled = {**asked, "password_hash": asked.get("password_hash") or "$2b$10$" + "." * 53}
        made = await self.call("emulator.create_account", Jsonb(filled))
        if made.get("error") == "email_exists":
            return said(422, "email_exists", "A user with this email address has already been registered")
        if made.get("error"):
            return said(500, "unexpected_failure", "Database error creating new user")
        self.created.append(asked["email"])
        return web.json_response(made)

    async def call(self, function: str, *arguments: Any) -> Any:
        connection = await self._free.get()
        try:
            places = ", ".join(["%s"] * len(arguments))
            cursor = await connection.execute(f"select {function}({places})".encode(), arguments)
            row = await cursor.fetchone()
            assert row is not None
            return row[0]
        finally:
            self._free.put_nowait(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AdminGate]:
        connections = [await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) for _ in range(CONNECTIONS)]
        for connection in connections:
            self._free.put_nowait(connection)
        try:
            async with super().running():
                yield self
        finally:
            for connection in connections:
                await connection.close()


def said(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"code": status, "error_code": code, "msg": text}, status=status)


def is_taken(password_hash: str) -> bool:
    """By `NewUserWithPasswordHash` and `ParseArgon2Hash`."""
    if argon2 := ARGON2.fullmatch(password_hash):
        memory, passes, lanes = map(int, argon2.groups())
        return memory <= 1 << 20 and passes <= 20 and lanes <= 16
    bcrypt = BCRYPT.fullmatch(password_hash)
    return bcrypt is not None and 4 <= int(bcrypt[1]) <= 31


def install(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as operator:
        operator.execute(SQL.read_bytes())
