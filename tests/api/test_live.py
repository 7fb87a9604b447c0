"""The WebSocket: who may listen, what is told, what is told again."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import structlog

from daemon.api import live
from daemon.jobs import reads
from daemon.store.jobs import JobEvent
from tests.api.conftest import JSON, Service, connected, png, said

pytestmark = pytest.mark.asyncio(loop_scope="session")
Socket = aiohttp.ClientWebSocketResponse


async def until_over(socket: Socket, job: str) -> list[JSON]:
    """Every event up to the end of a job."""
    events: list[JSON] = []
    while not events or (events[-1]["job"], events[-1]["event"]) not in {(job, "done"), (job, "failed")}:
        events.append(await said(socket))
    return events


async def begin(service: Service, **fields: str) -> str:
    async with service.session.post("/api/process", params=fields, data=png(300, 300)) as response:
        assert response.status == 202
        return str((await response.json())["id"])


async def test_the_first_message_authenticates(service: Service) -> None:
    async with service.stranger() as stranger, stranger.ws_connect("/ws") as socket:
        await socket.send_json({"type": "auth", "token": service.token})
        assert await said(socket) == {"type": "authenticated", "store": service.parts.store}
        await socket.send_json({"type": "subscribe", "jobs": "*"})
        assert (await said(socket))["type"] == "snapshot"
        await socket.send_json({"type": "auth", "token": service.token})
        while "event" in (answer := await said(socket)):  # of jobs that others have left
            pass
        assert answer == {"type": "authenticated", "store": service.parts.store}


async def test_a_handshake_of_odd_bytes_is_a_bad_request(service: Service) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: \xff")
    async with service.connection() as (reader, writer):
        writer.write(service.head("GET /ws", *upgrade))
        assert b" 400 " in await reader.readline()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"type": "auth", "token": "wrong"}, "invalid_token"),
        ({"type": "subscribe", "jobs": "*"}, "access_token_required"),
        ({"type": "auth"}, "bad_request"),
        ({"type": "auth", "token": "Ω"}, "invalid_token"),
    ],
)
async def test_who_does_not_authenticate_first_is_sent_away(service: Service, first: JSON, code: str) -> None:
    async with service.stranger() as stranger, stranger.ws_connect("/ws") as socket:
        await socket.send_json(first)
        assert (await said(socket))["code"] == code
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401


async def test_a_wrong_token_in_the_header_is_sent_away(service: Service) -> None:
    async with (
        service.stranger(headers={"Authorization": "Bearer wrong"}) as stranger,
        stranger.ws_connect("/ws") as socket,
    ):
        assert (await said(socket))["code"] == "invalid_token"
        await socket.receive()
        assert socket.close_code == 4401


async def test_who_says_nothing_is_sent_away_in_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "AUTH_SECONDS", 0.05)
    async with service.stranger() as stranger, stranger.ws_connect("/ws") as socket:
        assert (await said(socket))["code"] == "access_token_required"
        await socket.receive()
        assert socket.close_code == 4401


async def test_a_snapshot_comes_first_and_then_what_happens(service: Service) -> None:
    before = await service.submit()
    async with connected(service, {"jobs": "*"}) as socket:
        snapshot = await said(socket)
        assert snapshot["type"] == "snapshot"
        assert before["id"] in {job["id"] for job in snapshot["jobs"]}
        job = await begin(service, scale_factor="4x")
        events = await until_over(socket, job)
    changes = [event["event"] for event in events if event["event"] != "progress"]
    assert changes == ["queued", "started", "done"]
    numbers = [event["seq"] for event in events if event["event"] != "progress"]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > snapshot["seq"]
    figures = [event["data"]["progress"] for event in events if event["event"] == "progress"]
    assert figures == sorted(figures)
    assert all(0 <= figure <= 1 for figure in figures)


async def test_a_subscription_to_one_job_tells_of_no_other(service: Service) -> None:
    one = await service.submit()
    async with connected(service, {"jobs": [one["id"], "unknown"]}) as socket:
        assert [job["id"] for job in (await said(socket))["jobs"]] == [one["id"]]
        await service.submit()
        await socket.send_json({"type": "auth", "token": service.token})
        assert await said(socket) == {"type": "authenticated", "store": service.parts.store}


async def test_coming_back_with_since_misses_no_change_and_repeats_none(service: Service) -> None:
    """Whatever moment the connection breaks at: here after each single event."""
    async with connected(service, {"jobs": "*"}) as socket:
        since = (await said(socket))["seq"]
    jobs = [await begin(service, scale_factor="2x") for _ in range(4)]
    told: list[tuple[int, str, str]] = []
    while [event for _, _, event in told].count("done") < len(jobs):
        async with connected(service, {"jobs": "*", "since": since}) as socket:
            event = await said(socket)
            while event["event"] == "progress":
                event = await said(socket)
        since = event["seq"]
        told.append((since, event["job"], event["event"]))
    assert [number for number, _, _ in told] == sorted({number for number, _, _ in told})
    for job in jobs:
        assert [event for _, of, event in told if of == job] == ["queued", "started", "done"]


async def test_a_change_that_is_committed_while_the_store_is_read_is_told_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(service, {"jobs": "*"}) as socket:
        since = (await said(socket))["seq"]
    await service.submit()
    events_since = service.parts.ledger.events_since

    async def told_meanwhile(owner: str, seq: int) -> tuple[list[JobEvent] | None, int]:
        found, newest = await events_since(owner, seq)
        for event in found or []:
            service.parts.hub.publish(event)
        return found, newest

    monkeypatch.setattr(service.parts.ledger, "events_since", told_meanwhile)
    async with connected(service, {"jobs": "*", "since": since}) as socket:
        told = [(await said(socket))["event"] for _ in range(3)]
        assert told == ["queued", "started", "done"]
        await socket.send_json({"type": "auth", "token": service.token})
        assert await said(socket) == {
            "type": "authenticated",
            "store": service.parts.store,
        }  # and nothing again before it
        monkeypatch.undo()
        following = await begin(service, scale_factor="3x")
        assert (await said(socket))["job"] == following


async def test_a_long_history_comes_page_by_page_and_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(service, {"jobs": "*"}) as socket:
        since = (await said(socket))["seq"]
    jobs = [(await service.submit())["id"] for _ in range(3)]
    monkeypatch.setattr(reads, "EVENTS_ON_A_PAGE", 2)
    async with connected(service, {"jobs": jobs, "since": since}) as socket:
        told = [await said(socket) for _ in range(9)]
    assert [event["job"] for event in told] == [job for job in jobs for _ in range(3)]
    assert [event["event"] for event in told] == ["queued", "started", "done"] * 3


async def test_who_leaves_in_the_middle_of_an_answer_is_no_error_of_ours(service: Service) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            async with service.stranger(headers={"Authorization": f"Bearer {service.token}"}) as stranger:
                socket = await stranger.ws_connect("/ws")
                for _ in range(50):
                    await socket.send_json({"type": "auth", "token": service.token})
                assert socket._response.connection is not None
                assert socket._response.connection.transport is not None
                socket._response.connection.transport.abort()
        while service.parts.sockets:
            await asyncio.sleep(0)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == []


async def test_a_number_from_the_future_means_another_store_and_resets(service: Service) -> None:
    async with connected(service, {"jobs": "*", "since": 10**30}) as socket:
        reset = await said(socket)
        assert reset["type"] == "reset"
        snapshot = await said(socket)
        assert (snapshot["type"], snapshot["seq"]) == ("snapshot", reset["seq"])


async def test_a_number_of_another_store_resets_even_where_this_one_counts_further(service: Service) -> None:
    await service.submit()
    async with connected(service, {"jobs": "*", "since": 1, "store": "another"}) as socket:
        assert [(await said(socket))["type"] for _ in range(2)] == ["reset", "snapshot"]
    async with connected(service, {"jobs": "*", "since": 0, "store": service.parts.store}) as socket:
        assert (await said(socket))["seq"] == 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"dance"}',
        '{"type":"subscribe","jobs":5}',
        '{"type":"subscribe","since":-1}',
        '{"type":"subscribe","jobs":["' + "x" * 65 + '"]}',
        '{"type":"subscribe","more":1}',
        '{"type":"auth","token":"wrong"}',
        '{"type":"subscribe"},"x":{}',
        "\ud800".encode("utf-8", "replace").decode() + "\x00",
        "[" * 5000,
    ],
)
async def test_a_malformed_message_gets_an_error_and_the_socket_stays(service: Service, message: str) -> None:
    async with connected(service) as socket:
        await socket.send_str(message)
        answer = await said(socket)
        assert answer["type"] == "error", answer
        assert answer["code"] in {"bad_request", "invalid_token"}
        await socket.send_json({"type": "subscribe"})
        assert (await said(socket))["type"] == "snapshot"


async def test_bytes_that_are_no_text_end_the_connection_and_nothing_else(service: Service) -> None:
    async with connected(service) as socket:
        await socket.send_bytes(b"\xff" * 10)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert (await service.json("GET", "/health"))[0] == 200


async def test_a_client_that_hangs_up_at_once_is_no_error_of_ours(service: Service) -> None:
    with structlog.testing.capture_logs() as logged:
        for _ in range(10):
            async with service.stranger() as stranger:
                socket = await stranger.ws_connect("/ws")
                await socket.send_json({"type": "auth", "token": service.token})
                await socket.send_json({"type": "subscribe"})
                connection = socket._conn
                assert connection is not None
                assert connection.transport is not None
                connection.transport.abort()
        while service.parts.sockets:
            await asyncio.sleep(0)
    assert [entry for entry in logged if entry["log_level"] == "error"] == []
    assert service.parts.hub.subscribers == 0


async def test_a_store_that_fails_ends_the_connection_and_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence would look like nothing happening."""

    def fail(*_: Any) -> None:
        raise RuntimeError("the store is broken")

    monkeypatch.setattr(service.parts.ledger, "events_since", fail)
    async with connected(service, {"jobs": "*"}) as socket:
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1011


async def test_more_subscribers_than_are_allowed_are_told_to_come_later(small: Service) -> None:
    async with connected(small, {"jobs": "*"}) as first:
        await said(first)
        async with connected(small, {"jobs": "*"}) as second:
            await said(second)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await small.session.ws_connect("/ws")
            assert refused.value.status == 503
            assert refused.value.headers is not None
            assert refused.value.headers["Retry-After"] == "10"
            status, problem = await small.json("GET", "/ws", headers={"Connection": "close"})
            assert (status, problem["code"]) == (503, "too_many_subscribers")
    while small.parts.sockets:
        await asyncio.sleep(0)
    async with connected(small, {"jobs": "*"}) as third:
        await said(third)


async def test_a_message_that_is_too_long_ends_the_connection(small: Service) -> None:
    async with connected(small) as socket:
        await socket.send_str("x" * 2000)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_handshake_of_bytes_that_are_no_text_is_a_bad_request_and_no_error_of_ours(service: Service) -> None:
    for line in (
        b"Upgrade: w\xffbsocket",
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff",
    ):
        with structlog.testing.capture_logs() as logged:
            async with service.connection() as (reader, writer):
                writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n" + line + b"\r\n\r\n")
                assert b" 400 " in await reader.readline()
        assert logged == []
