"""Strangers on our port at the other loopback address: who types `localhost` may reach them instead of us.

127.0.0.1 and ::1 do not exclude each other, so having bound one says nothing of the other. It is no reason to move:
our address is published as it is. But it is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from supervisor.address import is_same_address, plain_address
from supervisor.port_holder import FindHolders, PortHolder, find_port_holders

CONNECT_SECONDS = 0.5


async def find_squatters(
    sock: socket.socket, extra: tuple[socket.socket, ...] = (), find_holders: FindHolders = find_port_holders
) -> tuple[PortHolder, ...]:
    """Who answers at the other loopback address, beside ourselves. Costs one refused connection where nobody does."""
    other, port = other_loopback(sock), int(sock.getsockname()[1])
    if other is None or any(_covers(own, other, port) for own in extra) or not await _answers(other, port):
        return ()
    holders = await asyncio.to_thread(find_holders, other, port)
    strangers = tuple(holder for holder in holders if holder.pid != os.getpid())
    return strangers or (() if holders else (PortHolder(other),))


def other_loopback(sock: socket.socket) -> str | None:
    """The loopback address that the socket does not serve; None where that is no question."""
    address = plain_address(str(sock.getsockname()[0]))
    if not (address.is_loopback or address.is_unspecified):
        return None  # nobody calls a network address localhost
    if address.version == 4:  # noqa: PLR2004
        return "::1"
    both = address.is_unspecified and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return None if both else "127.0.0.1"


def _covers(own: socket.socket, address: str, port: int) -> bool:
    host = str(own.getsockname()[0])
    return own.getsockname()[1] == port and (
        is_same_address(host, address) or (plain_address(host).is_unspecified and other_loopback(own) != address)
    )


async def _answers(address: str, port: int) -> bool:
    """Whether somebody listens. One whose queue is full does not answer, but a closed port refuses at once."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return True
    except OSError:
        return False
    ourselves = writer.get_extra_info("sockname")[:2] == writer.get_extra_info("peername")[:2]  # TCP can do that
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return not ourselves
