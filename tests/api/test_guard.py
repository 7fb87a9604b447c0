"""Who is let in: by which name, from which page, with which token."""

from __future__ import annotations

import dataclasses
from functools import partial

import aiohttp
import pytest

from daemon.accounts.local import LocalAccess
from tests.api.conftest import Service, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
LISTED = "http://localhost:3002"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:3007", "", "[::2]", "::1"]
)
async def test_a_rebound_name_is_refused(service: Service, host: str) -> None:
    async with service.session.get("/api/jobs", headers={"Host": host}) as response:
        assert response.status == 421
        assert (await response.json())["code"] == "wrong_host"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:3007", "[::1]:9", "[::1]"])
async def test_our_names_are_answered_on_any_port(service: Service, host: str) -> None:
    async with service.session.get("/api/jobs", headers={"Host": host}) as response:
        assert response.status == 200


async def test_an_ipv6_address_that_is_listened_on_is_one_of_our_names(service: Service) -> None:
    from daemon.assembly import own_names

    assert "[fd00::7]" in own_names("FD00::7")
    assert "box.lan" in own_names("Box.lan")


async def test_no_host_at_all_is_refused(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        assert b" 421 " in await reader.readline()


async def test_even_health_does_not_answer_to_a_rebound_name(service: Service) -> None:
    async with service.stranger() as stranger, stranger.get("/health", headers={"Host": "evil.example"}) as response:
        assert response.status == 421


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://localhost:3003", "https://localhost:3002", ""]
)
async def test_a_foreign_page_is_refused_and_may_not_read_why(service: Service, origin: str) -> None:
    async with service.session.get("/health", headers={"Origin": origin}) as response:
        assert response.status == 403
        assert (await response.json())["code"] == "origin_not_allowed"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_listed_page_may_read_answers_and_errors(service: Service) -> None:
    for path, status in (("/api/jobs", 200), ("/api/jobs/none", 404), ("/api/jobs?limit=x", 400)):
        async with service.session.get(path, headers={"Origin": LISTED}) as response:
            assert response.status == status
            assert response.headers["Access-Control-Allow-Origin"] == LISTED
            assert "Origin" in response.headers["Vary"]
            assert "Location" in response.headers["Access-Control-Expose-Headers"]


async def test_our_own_page_is_let_in(service: Service) -> None:
    own = f"http://127.0.0.1:{service.port}"
    async with service.session.get("/api/jobs", headers={"Origin": own}) as response:
        assert response.status == 200


async def test_a_preflight_of_a_listed_page_is_answered_without_a_bearer(service: Service) -> None:
    headers = {
        "Origin": LISTED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    async with service.stranger() as stranger, stranger.options("/api/process", headers=headers) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == LISTED
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Access-Control-Allow-Private-Network"] == "true"


async def test_a_preflight_of_a_foreign_page_gets_no_permission(service: Service) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with service.stranger() as stranger, stranger.options("/api/process", headers=headers) as response:
        assert response.status == 403
        assert not [name for name in response.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/x", "/api/jobs/x/result", "/nowhere"])
async def test_without_a_bearer_nothing_but_the_open_routes_answers(service: Service, path: str) -> None:
    async with service.stranger() as stranger, stranger.get(path) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json())["code"] == "access_token_required"


@pytest.mark.parametrize("value", ["Bearer", "Bearer  ", "Basic abc", "Bearer\t"])
async def test_a_header_without_a_token_counts_as_none(service: Service, value: str) -> None:
    async with service.stranger() as stranger, stranger.get("/api/jobs", headers={"Authorization": value}) as response:
        assert response.status == 401


async def test_a_wrong_token_is_told_apart_from_none(service: Service) -> None:
    wrong = [service.token[:-1], service.token + "x", "x"]
    async with service.stranger() as stranger:
        for token in wrong:
            async with stranger.get("/api/jobs", headers={"Authorization": f"Bearer {token}"}) as response:
                assert response.status == 403
                assert (await response.json())["code"] == "invalid_token"


async def test_a_token_of_odd_bytes_is_wrong_and_breaks_nothing(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert b" 403 " in await reader.readline()


async def test_a_ticket_fetches_the_result_of_its_job_without_a_bearer(service: Service) -> None:
    job = await service.submit()
    async with service.stranger() as stranger:
        async with stranger.get(job["result_url"]) as response:
            assert response.status == 200
        async with stranger.get(job["result_url"].replace("/result", "")) as response:
            assert response.status == 401, "a ticket is for the result alone"
        async with stranger.delete(job["result_url"]) as response:
            assert response.status == 401


async def test_a_forged_ticket_is_refused(service: Service) -> None:
    job = await service.submit()
    expires, owner, signature = job["result_url"].partition("ticket=")[2].split(".")
    forged = [
        f"{int(expires) + 9999}.{owner}.{signature}",
        f"{expires}.somebody.{signature}",
        f"{expires}.{owner}.{'0' * 64}",
        f"{expires}.{owner}",
        "..",
        "x",
        "%FF%FE.local.%ED%A0%80",
        LocalAccess("x", b"another secret").ticket(job["id"], "local", 2e9),
    ]
    async with service.stranger() as stranger:
        for ticket in forged:
            async with stranger.get(f"/api/jobs/{job['id']}/result?ticket={ticket}") as response:
                assert response.status == 403, ticket
                assert (await response.json())["code"] == "invalid_token"


async def test_a_ticket_is_for_one_job(service: Service) -> None:
    one, other = await service.submit(), await service.submit()
    ticket = one["result_url"].partition("?")[2]
    async with service.stranger() as stranger, stranger.get(f"/api/jobs/{other['id']}/result?{ticket}") as response:
        assert response.status == 403


async def test_a_ticket_lasts_ten_minutes(service: Service) -> None:
    job = await service.submit()
    now = service.parts.clock()
    for later, status in ((595, 200), (602, 403)):
        parts = dataclasses.replace(service.parts, clock=partial(float, now + later))
        async with (
            serving(parts, service.values) as shifted,
            shifted.stranger() as stranger,
            stranger.get(job["result_url"]) as response,
        ):
            assert response.status == status


async def test_a_page_may_not_open_a_socket_from_elsewhere(service: Service) -> None:
    for origin in ("null", "http://evil.example"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await service.session.ws_connect("/ws", origin=origin)
        assert refused.value.status == 403
