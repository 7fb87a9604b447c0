"""How the service's own page logs in: by a code that works once, from a browser of the same user."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from daemon.api.peer import _spellings
from tests.api.conftest import JSON, Service

pytestmark = pytest.mark.asyncio(loop_scope="session")
ASK_AS_ANOTHER = """
import json, os, sys, urllib.request, urllib.error
os.setuid(65534)
own, code = sys.argv[1:]
headers = {"Origin": own, "Content-Type": "application/json"}
request = urllib.request.Request(own + "/api/login", json.dumps({"code": code}).encode(), headers)
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["message"])
"""


async def make_code(service: Service) -> str:
    status, made = await service.json("POST", "/api/login-codes")
    assert status == 201
    return str(made["code"])


async def log_in(service: Service, code: str, origin: str | None = None) -> tuple[int, JSON]:
    own = f"http://127.0.0.1:{service.port}" if origin is None else origin
    async with (
        service.stranger() as page,
        page.post("/api/login", json={"code": code}, headers={"Origin": own} if own else {}) as response,
    ):
        return response.status, await response.json()


async def test_our_own_page_gets_the_token_for_a_code_once(service: Service) -> None:
    code = await make_code(service)
    assert await log_in(service, code) == (200, {"token": service.token})
    status, body = await log_in(service, code)
    assert (status, body["code"]) == (403, "invalid_token")


async def test_no_other_page_and_no_program_without_a_page_logs_in_and_the_code_stays_good(service: Service) -> None:
    code = await make_code(service)
    for origin in ("http://localhost:3002", f"http://localhost:{service.port}", ""):
        status, body = await log_in(service, code, origin)
        assert (status, body["code"]) == (403, "origin_not_allowed")
    assert (await log_in(service, code))[0] == 200


async def test_the_name_by_which_the_page_was_opened_is_its_own(service: Service) -> None:
    own = {"Host": f"localhost:{service.port}", "Origin": f"http://localhost:{service.port}"}
    body = {"code": await make_code(service)}
    async with service.stranger() as page, page.post("/api/login", json=body, headers=own) as response:
        assert response.status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose program is at the other end")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a program as another user")
async def test_another_user_who_reads_the_code_in_the_list_of_processes_gets_nothing(service: Service) -> None:
    code, own = await make_code(service), f"http://127.0.0.1:{service.port}"
    # root's code works for root alone; the system's own interpreter, since ours may lie where nobody else can look
    stranger = await asyncio.create_subprocess_exec(
        *("/usr/bin/env", "-i", "python3", "-c", ASK_AS_ANOTHER, own, code), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await stranger.communicate()
    assert out.decode().strip() == "403 this link was made for another user of this machine"
    assert (await log_in(service, code))[0] == 403


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("127.0.0.1", ["0100007F:0BBF", "0000000000000000FFFF00000100007F:0BBF"]),
        ("::ffff:127.0.0.1", ["0100007F:0BBF", "0000000000000000FFFF00000100007F:0BBF"]),
        ("::1", ["00000000000000000000000001000000:0BBF"]),
        ("fe80::1%lo", ["000080FE000000000000000001000000:0BBF"]),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="as little-endian machines write them")
async def test_addresses_are_spelled_as_in_the_kernels_table(host: str, written: list[str]) -> None:
    assert list(_spellings(host, 3007)) == written
