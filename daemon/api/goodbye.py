"""Closing WebSockets so that their clients know why, whether they take anything in or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from aiohttp import WSCloseCode, web

from daemon.api.parts import CALLER, PARTS, Parts
from daemon.errors import InvalidToken

NOT_LET_IN: Final = 4401
TOKEN_GRACE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0  # for a peer to take the closing in


async def say_goodbye(socket: web.WebSocketResponse, request: web.Request, code: int, message: bytes) -> None:
    """Close a socket. A peer that takes nothing in would not take the closing in either: it is cut off a little later,
    since a transport that is merely closed waits for its buffer to empty, for ever.
    """
    if (transport := request.transport) is not None:
        asyncio.get_running_loop().call_later(2 * CLOSE_SECONDS, transport.abort)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code=code, message=message)


async def say_goodbye_to_all(parts: Parts) -> None:
    """When the daemon stops: clients come back to the next one."""
    await _say_goodbye_to(parts, lambda _: True, WSCloseCode.SERVICE_RESTART, b"restarting")


async def send_away(parts: Parts, pairing: str) -> None:
    """Close the sockets that were opened by a pairing which is no more."""
    await _say_goodbye_to(parts, lambda request: _is_of(request, pairing), NOT_LET_IN, InvalidToken.code.encode())


async def _say_goodbye_to(parts: Parts, whom: Callable[[web.Request], bool], code: int, message: bytes) -> None:
    found = [(socket, request) for socket, request in parts.sockets.items() if whom(request)]
    await asyncio.gather(*(say_goodbye(socket, request, code, message) for socket, request in found))


def _is_of(request: web.Request, pairing: str) -> bool:
    return CALLER in request and request[CALLER].pairing == pairing


async def end_with_the_token(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Close a socket a little after its user's token has ended, unless a fresh one came."""
    clock = request.app[PARTS].clock
    while (expires := request[CALLER].expires) is not None:
        left = expires + TOKEN_GRACE_SECONDS - clock()
        if left <= 0:
            await say_goodbye(socket, request, NOT_LET_IN, InvalidToken.code.encode())
            return
        await asyncio.sleep(min(left, LOOK_SECONDS))  # by a clock that may be set, so it is looked at again
