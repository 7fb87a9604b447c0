"""Errors as problem documents: a code, a sentence, and nothing of our insides."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from tests.api.conftest import Service, png

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


async def test_an_expectation_that_nobody_knows_is_a_problem_document(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(service.head("GET /api/jobs", "Expect: miracles"))
        head = await reader.readuntil(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"application/problem+json" in head


async def test_a_client_that_asks_first_is_told_to_go_on(service: Service) -> None:
    picture = png()
    async with service.connection() as (reader, writer):
        writer.write(service.head("POST /api/process", f"Content-Length: {len(picture)}", "Expect: 100-Continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(picture)
        assert b" 202 " in await reader.readline()
