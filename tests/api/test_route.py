"""JSON bodies: bounded, typed, and refused by name."""

from __future__ import annotations

import pytest

from tests.api.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATH = "/api/pairings/none/approve"


@pytest.mark.parametrize("body", ["", "{}", '{"code": null}', '{"code": "x"}'])
async def test_a_body_that_fits_is_taken_and_none_is_an_empty_object(service: Service, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    status, answer = await service.json("POST", PATH, data=body, headers=headers)
    assert (status, answer["code"]) == (404, "not_found")
    assert (await service.json("POST", PATH))[0] == 404


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "the body"),
        (b"[]", "the body"),
        (b"null", "the body"),
        (b'"\xff"', "the body"),
        (b"[" * 60_000, "the body"),
        (b'{"code": 5}', "code"),
        (b'{"code": "' + b"x" * 65 + b'"}', "code"),
        (b'{"cod": "x"}', "cod"),
        (b'{"code": "\\ud800"}', "the body"),
    ],
)
async def test_what_is_wrong_is_named(service: Service, body: bytes, named: str) -> None:
    status, answer = await service.json("POST", PATH, data=body, headers={"Content-Type": "application/json"})
    assert (status, answer["code"]) == (400, "bad_request")
    assert answer["fields"] == [named]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
async def test_what_is_not_said_to_be_json_is_refused(service: Service, kind: str) -> None:
    status, answer = await service.json("POST", PATH, data=b"{}", headers={"Content-Type": kind})
    assert (status, answer["code"]) == (400, "bad_request")
    assert "application/json" in answer["message"]


async def test_a_body_is_64_kib_at_most(service: Service) -> None:
    for size, status in ((1 << 16, 404), ((1 << 16) + 1, 413)):
        body = b"{}".ljust(size)
        assert (await service.json("POST", PATH, data=body, headers={"Content-Type": "application/json"}))[0] == status


async def test_a_body_that_breaks_off_is_no_error_of_ours(service: Service) -> None:
    async with service.connection() as (reader, writer):
        writer.write(service.head(f"POST {PATH}", "Content-Type: application/json", "Transfer-Encoding: chunked"))
        writer.write(b"zz\r\n")
        assert b" 400 " in await reader.readline()
