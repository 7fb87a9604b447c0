"""The listening socket, which the supervisor binds and keeps for as long as it lives.

Binding is the check. Rejected: probing the port first and binding later (another process takes it in between), and
SO_REUSEPORT (a stranger of the same user could share the port, and closing one of two listeners resets what queues
in it).
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import structlog

from supervisor.errors import AddressUnavailable, WrongSettings
from supervisor.inherited import BACKLOG, choose
from supervisor.port_holder import FindHolders, PortHolder, find_port_holders

HIGHEST_PORT = 65535
# From 32768 on, the kernel gives ports to outgoing connections, and one of those blocks a bind.
RANDOM_PORTS = range(10_000, 32_768)
SEQUENTIAL_TRIES = 5
RANDOM_TRIES = 8
RETRY_EVERY = 0.25
RETRIES = 12  # 3 s: nobody listens, so the port is only closing or lent to an outgoing connection

log = structlog.get_logger()

Bind = Callable[[str, int], socket.socket | None]


@dataclass(frozen=True, slots=True)
class Listener:
    """Our listening socket, and who held the port that was wanted, where it is on another."""

    sock: socket.socket
    wanted_port: int
    inherited: bool = False
    taken_by: tuple[PortHolder, ...] = ()
    extra: tuple[socket.socket, ...] = ()  # inherited on other addresses: served in this life, and kept in no other

    @property
    def host(self) -> str:
        return str(self.sock.getsockname()[0])

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    @property
    def fell_back(self) -> bool:
        return self.wanted_port not in {0, self.port}


def listen_on(host: str, port: int) -> socket.socket | None:
    """A listening socket, or None when the port is taken."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Lets a restart bind over connections in TIME_WAIT; on Linux it never lets two listen on one port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)  # with SO_REUSEADDR a conflict may show only here
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise WrongSettings(f"PRO_ENGINE_PORT: this user may not listen on port {port}") from error
        raise AddressUnavailable(f"PRO_ENGINE_HOST: cannot listen on {host}: {error.strerror}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _clear_nothing() -> bool:
    return False


async def open_listener(
    host: str,
    port: int,
    *,
    random: Random,
    inherited: Sequence[socket.socket] = (),
    clear_ours: Callable[[], Awaitable[bool]] = _clear_nothing,
    find_holders: FindHolders = find_port_holders,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    bind: Bind = listen_on,
) -> Listener:
    """Listen on the wanted port, inherited or bound; else on one inherited from an earlier fallback; else on the next
    that is free. `clear_ours` is asked once to end a leftover of ours that has the port.
    """
    choice = choose(inherited, host, port)
    if choice.wanted:
        return _with_extra(choice.wanted, port, inherited)
    sock, holders = await _bind_wanted(host, port, clear_ours, find_holders, sleep, bind) if port else (None, ())
    sock = sock or choice.stand_in or _bind_next(host, port, random, bind)
    return _with_extra(sock, port, inherited, holders)


def _with_extra(
    sock: socket.socket, port: int, inherited: Sequence[socket.socket], holders: tuple[PortHolder, ...] = ()
) -> Listener:
    extra = tuple(other for other in inherited if other is not sock)
    return Listener(sock, port, inherited=len(extra) < len(inherited), taken_by=holders, extra=extra)


async def _bind_wanted(
    host: str,
    port: int,
    clear_ours: Callable[[], Awaitable[bool]],
    find_holders: FindHolders,
    sleep: Callable[[float], Awaitable[None]],
    bind: Bind,
) -> tuple[socket.socket | None, tuple[PortHolder, ...]]:
    """The socket, or who has the port."""
    sock = bind(host, port)
    if sock is None and await clear_ours():
        log.warning("port_cleared_of_stale_daemon", port=port)
        sock = bind(host, port)
    for _ in range(RETRIES):
        if sock:
            break
        # In a thread: on a machine with many processes the look takes long enough to miss a ping of the watchdog.
        holders = await asyncio.to_thread(find_holders, host, port)
        if holders:
            return None, holders
        await sleep(RETRY_EVERY)
        sock = bind(host, port)
    return sock, ()


def _bind_next(host: str, port: int, random: Random, bind: Bind) -> socket.socket:
    for candidate in next_ports(port, random):
        sock = bind(host, candidate)
        if sock:
            return sock
    raise AddressUnavailable(f"no port is free on {host}")


def next_ports(port: int, random: Random) -> Iterator[int]:
    """Where to try after the wanted port; a wanted port of 0 means any, and begins with the random ones."""
    if port:
        yield from range(port + 1, min(port + SEQUENTIAL_TRIES, HIGHEST_PORT) + 1)
    yield from random.sample(RANDOM_PORTS, RANDOM_TRIES)
    yield 0
