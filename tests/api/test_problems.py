"""Errors as problem documents: a code, a sentence, and nothing of our insides."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web

from daemon.api.connection import EdgeLimits
from tests.api.conftest import Service, edge, png, the_problem

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_unknown_path_is_a_problem_document(service: Service) -> None:
    async with service.session.get("/nowhere") as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        body = await response.json()
    assert body["code"] == "not_found"
    assert body["status"] == 404
    assert set(body) == {"type", "title", "status", "detail", "code", "message"}


async def test_a_wrong_method_names_the_right_ones(service: Service) -> None:
    async with service.session.put("/api/jobs") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
        assert (await response.json())["code"] == "method_not_allowed"


async def test_a_handler_that_crashes_gives_an_id_that_the_log_has_and_nothing_else(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise RuntimeError("secret in /home/somebody/x.py")

    monkeypatch.setattr(service.parts.ledger, "page", crash)
    with structlog.testing.capture_logs() as logged:
        status, body = await service.json("GET", "/api/jobs")
    assert (status, body["code"]) == (500, "internal")
    assert "secret" not in str(body)
    assert "Traceback" not in str(body)
    assert [entry["error_id"] for entry in logged if entry["event"] == "handler_broke"] == [body["error_id"]]


@pytest.mark.parametrize(
    "path",
    ["/api/jobs/%00", "/api/jobs/%FF", "/api/jobs/..%2f..%2fetc%2fpasswd", "/api/jobs/%ED%A0%80/result", "/api//jobs"],
)
async def test_odd_paths_are_not_found(service: Service, path: str) -> None:
    status, body = await service.json("GET", path)
    assert (status, body["code"]) == (404, "not_found")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1.5", "", "9" * 5000, "²"])
async def test_a_limit_that_is_none_is_refused_by_name(service: Service, limit: str) -> None:
    status, body = await service.json("GET", "/api/jobs", params={"limit": limit})
    assert status == 400
    assert "limit" in body["message"]


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=", "cursor=-1", f"cursor={'9' * 30}", "state=sleeping", "state="]
)
async def test_a_wrong_cursor_or_state_is_refused_by_name(service: Service, query: str) -> None:
    status, body = await service.json("GET", f"/api/jobs?{query}")
    assert status == 400
    assert query.partition("=")[0] in body["message"]


async def test_what_is_not_even_http_is_answered_and_leaves_no_line_in_the_log(service: Service) -> None:
    with structlog.testing.capture_logs() as logged:
        for nonsense in (
            b"\x16\x03\x01 nonsense\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST / HTTP/1.1\r\nA\x00b: c\r\n\r\n",
        ):
            async with service.connection() as (reader, writer):
                writer.write(nonsense)
                assert (await reader.read()).startswith(b"HTTP/1.")
    assert [line for line in logged if line["log_level"] == "error"] == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not_found"),
        ("PATCH", "/api/jobs", {}, 405, "method_not_allowed"),
        ("HEAD", "/api/process", {}, 405, "method_not_allowed"),
        ("HEAD", "/nowhere", {}, 404, "not_found"),
        ("HEAD", "/api/jobs/none", {}, 404, "not_found"),
        ("GET", "/api/jobs", {"Expect": "tea"}, 417, "expectation_failed"),
        ("POST", "/api/process", {"Expect": "tea"}, 417, "expectation_failed"),
        ("HEAD", "/nowhere", {"Expect": "tea"}, 417, "expectation_failed"),
        ("GET", "/ws", {}, 400, "bad_request"),
        ("OPTIONS", "/api/jobs", {}, 405, "method_not_allowed"),
    ],
)
async def test_whatever_aiohttp_refuses_is_a_problem_document_and_to_head_its_headers_alone(
    service: Service, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with service.connection() as (reader, writer):
        lines = [f"{name}: {value}" for name, value in headers.items()]
        writer.write(service.head(f"{method} {path}", *lines, "Connection: close"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"Content-Type: application/problem+json" in head
    assert (b"\r\nAllow: " in head) == (status == 405)
    assert int(head.partition(b"Content-Length: ")[2].split()[0]) > 0
    if method == "HEAD":
        assert body == b""
    else:
        assert (json.loads(body)["status"], json.loads(body)["code"]) == (status, code)


async def test_a_body_larger_than_aiohttp_reads_at_once_is_a_problem_document() -> None:
    async def read(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async with edge(EdgeLimits(), web.post("/", read)) as runner:
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000))
        document = the_problem(await reader.read())
        writer.close()
    assert (document["status"], document["code"]) == (413, "upload_too_large")


async def test_a_status_without_a_code_of_its_own_keeps_its_number() -> None:
    async def refuse(request: web.Request) -> web.Response:
        raise {"409": web.HTTPConflict, "502": web.HTTPBadGateway}[request.query_string]

    async with edge(EdgeLimits(), web.get("/", refuse)) as runner, aiohttp.ClientSession() as session:
        for status, code in ((409, "bad_request"), (502, "internal")):
            host, port = runner.addresses[0]
            async with session.get(f"http://{host}:{port}/?{status}") as response:
                document = await response.json()
            assert (response.status, document["status"], document["code"]) == (status, status, code)


async def test_a_client_that_asks_first_is_told_to_go_on(service: Service) -> None:
    picture = png()
    async with service.connection() as (reader, writer):
        writer.write(service.head("POST /api/process", f"Content-Length: {len(picture)}", "Expect: 100-Continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(picture)
        assert b" 202 " in await reader.readline()
