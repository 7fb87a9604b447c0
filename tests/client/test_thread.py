"""The loop's own thread: it ends with the client, and nobody waits for what cannot come."""

from __future__ import annotations

import asyncio

import pytest

from daemon.client import SyncClient
from tests.api.conftest import Service
from tests.client.test_sync import elsewhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_closing_ends_what_runs_and_a_closed_client_says_so(service: Service) -> None:
    client = SyncClient(f"http://127.0.0.1:{service.port}", service.token)
    waiting = asyncio.create_task(elsewhere(lambda: next(client.follow("*"))))
    while not service.parts.sockets:
        await asyncio.sleep(0)
    await elsewhere(client.close)
    with pytest.raises(RuntimeError, match="closed meanwhile"):
        await waiting
    client.close()
    for call in (client.health, lambda: client.job("x"), lambda: next(client.follow("*"))):
        with pytest.raises(RuntimeError, match="is closed"):
            call()
    assert not client._thread._thread.is_alive()


async def test_a_token_that_is_got_from_the_clients_own_thread_may_not_wait_for_it(service: Service) -> None:
    """It would wait for ever."""

    def token() -> str:
        return client.job("x").id

    client = SyncClient(f"http://127.0.0.1:{service.port}", token)
    with pytest.raises(RuntimeError, match="wait for itself"):
        await elsewhere(lambda: client.job("x"))
    await elsewhere(client.close)
