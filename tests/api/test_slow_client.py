"""A WebSocket client that does not keep up is closed, and delays nobody."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import aiohttp
import pytest

from daemon.api import goodbye, live
from daemon.store.jobs import JobEvent
from tests.api.conftest import Service, connected, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


def burst(service: Service, count: int, size: int = 100) -> None:
    """State changes that only the hub knows of, all at once."""
    for seq in range(1 << 40, (1 << 40) + count):
        padding = random.randbytes(size // 2).hex()  # what the connection cannot compress
        detail: dict[str, Any] = {"state": "queued", "padding": padding}
        service.parts.hub.publish(JobEvent(seq, f"job-{seq}", "local", "queued", detail, 0.0))


async def test_who_falls_too_far_behind_is_told_to_come_back(service: Service) -> None:
    async with connected(service, {"jobs": "*"}) as socket:
        assert (await said(socket))["type"] == "snapshot"
        burst(service, 1500)
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert socket.close_code == 1013


async def test_a_client_that_reads_nothing_is_cut_off_and_delays_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(goodbye, "CLOSE_SECONDS", 0.2)
    async with connected(service, {"jobs": "*"}) as slow, connected(service, {"jobs": "*"}) as quick:
        assert (await said(slow))["type"] == (await said(quick))["type"] == "snapshot"
        connection = slow._conn
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        burst(service, 100, size=200_000)
        for _ in range(100):
            assert json.loads((await quick.receive()).data)["event"] == "queued"
        async with asyncio.timeout(10):
            while len(service.parts.sockets) > 1:
                await asyncio.sleep(0)
        assert not quick.closed


async def test_a_client_that_reads_nothing_does_not_hold_up_the_end_of_the_daemon(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goodbye, "CLOSE_SECONDS", 0.2)
    async with connected(service, {"jobs": "*"}) as slow, connected(service, {"jobs": "*"}) as quick:
        assert (await said(slow))["type"] == (await said(quick))["type"] == "snapshot"
        connection = slow._conn
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        burst(service, 100, size=200_000)
        for _ in range(100):
            await quick.receive()
        closing = asyncio.create_task(quick.receive())
        async with asyncio.timeout(5):
            await goodbye.say_goodbye_to_all(service.parts)
            await closing
        assert quick.close_code == 1012
