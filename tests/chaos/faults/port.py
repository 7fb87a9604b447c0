"""Somebody else has the port, or had it, or wants it just now: nobody is harmed, and the service starts."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time

import pytest

from daemon.client import connect
from daemon.errors import ServiceUnreachable
from tests.chaos.fault import fault
from tests.chaos.lane import Lane, free_port
from tests.chaos.processes import Held
from tests.chaos.service import STAND_IN, Service
from tests.chaos.skipped import need_namespace
from tests.chaos.wire import ask

WILDCARD, LOOPBACK, LOOPBACK6 = "0.0.0.0", "127.0.0.1", "::1"
CLASH_SECONDS = 0.6


@fault(
    "8",
    "a stranger listens on our port, called as we are",
    "another port, published; the stranger untouched",
)
async def foreign_listener(lane: Lane) -> None:
    with lane.stranger("the one that has our port", LOOPBACK, str(lane.port)) as stranger:
        service = await lane.start(command=STAND_IN)
        await fell_back(lane, service)
        assert json.loads((await ask((LOOPBACK, lane.port), "/health")).body)["pid"] == stranger.pid
        await lane.end(service)


@fault("9", "the port stolen while we start", "binding is the check: ours, or another that is published")
async def thief(lane: Lane) -> None:
    with lane.stranger("the thief", LOOPBACK, str(lane.port), "steal"):
        service = await lane.start(command=STAND_IN)
        await serves(service)
        await lane.end(service)


@fault("12", "the port held in another container", "a holder without a pid; another port, published")
async def container(lane: Lane) -> None:
    words = need_namespace("-p", "-f", "--kill-child", "--mount-proc")
    with lane.stranger("the one outside", LOOPBACK, str(lane.port)):
        service = lane.spawn(command=[*words, *STAND_IN])
        lane.figures.starts += 1
        await service.log.event("daemon_ready")  # its pid is of another namespace, and so means nobody here
        await fell_back(lane, service)
        assert "cannot see" in str(service.log.named("port_taken"))
        await lane.end(service)


@fault("13a", "a squatter on the port at [::1]", "our port all the same; clients use the literal address")
async def other_loopback(lane: Lane) -> None:
    with lane.stranger("the squatter", LOOPBACK6, str(lane.port)):
        service = await lane.start(command=STAND_IN)
        assert service.address == (LOOPBACK, lane.port)
        await serves(service)
        await lane.end(service)


@fault("13b", "a squatter on the port at every address", "another port, published")
async def wildcard(lane: Lane) -> None:
    with lane.stranger("the squatter", WILDCARD, str(lane.port)):
        service = await lane.start(command=STAND_IN)
        await fell_back(lane, service)
        await lane.end(service)


@fault("13c", "a squatter on the port that a killed service published", "clients see that it is not us")
async def impostor(lane: Lane) -> None:
    service = await lane.start()
    async with connect(service.folders) as client:
        await client.health()
    service.destroy()
    not_us = pytest.raises(ServiceUnreachable, match="not this service")
    with lane.stranger("the impostor", LOOPBACK, str(lane.port)), not_us:
        await connect(service.folders).__aenter__()
    lane.forget(service)


@fault("14a", "the port in TIME_WAIT", "ours")
async def time_wait(lane: Lane) -> None:
    with socket.create_server((LOOPBACK, lane.port)) as listener:
        client = socket.create_connection((LOOPBACK, lane.port))
        listener.accept()[0].close()  # who closes first keeps the address
        client.close()
    service = await lane.start(command=STAND_IN)
    assert service.address == (LOOPBACK, lane.port)
    await serves(service)
    await lane.end(service)


@fault("14b", "the port lent to an outgoing connection for a moment", "ours, after some tries")
async def outgoing(lane: Lane) -> None:
    lane.port = free_port()  # that of the round before is still in TIME_WAIT, where no client can have it
    with socket.create_server((LOOPBACK, 0)) as elsewhere:
        lent = socket.create_connection(elsewhere.getsockname(), source_address=(LOOPBACK, lane.port))
        # it ends with a reset: in TIME_WAIT, an outgoing connection would keep the port for a minute
        lent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asyncio.get_running_loop().call_later(CLASH_SECONDS, lent.close)
        began = time.monotonic()
        service = await lane.start(command=STAND_IN)
        assert time.monotonic() - began > CLASH_SECONDS
    assert service.address == (LOOPBACK, lane.port)
    await serves(service)
    await lane.end(service)


async def fell_back(lane: Lane, service: Service) -> None:
    assert service.address[1] != lane.port
    await serves(service)


async def serves(service: Service) -> None:
    """Where the file says, our own daemon answers: the stand-in tells its pid."""
    assert service.daemons or service.command[0] == "unshare"
    answer = int((await ask(service.address, "/")).body)
    assert service.serving is None or answer == service.serving.pid
    assert isinstance(service.supervisor, Held)
