"""The listening socket, which the supervisor binds and keeps for as long as it lives.

Binding is the check. Rejected: probing the port first and binding later (another process takes it in between), and
SO_REUSEPORT (a stranger of the same user could share the port, and closing one of two listeners resets what queues
in it).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from random import Random

import structlog

from supervisor.errors import AddressUnavailable, WrongSettings
from supervisor.port_holder import PortHolder, find_port_holders

BACKLOG = 4096  # connections that wait while no daemon accepts; the kernel caps it at somaxconn
LISTEN_FDS_START = 3
HIGHEST_PORT = 65535
# From 32768 on, the kernel gives ports to outgoing connections, and one of those blocks a bind.
RANDOM_PORTS = range(10_000, 32_768)
SEQUENTIAL_TRIES = 5
RANDOM_TRIES = 8
RETRY_EVERY = 0.25
RETRIES = 12  # 3 s: nobody listens, so the port is only closing or lent to an outgoing connection

log = structlog.get_logger()

FindHolders = Callable[[str, int], tuple[PortHolder, ...]]


@dataclass(frozen=True, slots=True)
class Listener:
    """Our bound socket, and who held the port that was wanted, where another had to be taken."""

    sock: socket.socket
    wanted_port: int
    inherited: bool = False
    taken_by: tuple[PortHolder, ...] = ()

    @property
    def host(self) -> str:
        return str(self.sock.getsockname()[0])

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    @property
    def fell_back(self) -> bool:
        return not self.inherited and self.wanted_port not in {0, self.port}


async def open_listener(
    host: str,
    port: int,
    *,
    random: Random,
    find_holders: FindHolders = find_port_holders,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Listener:
    """Listen on the wanted port, or on the next that is free when someone else listens there."""
    holders: tuple[PortHolder, ...] = ()
    for _ in range(RETRIES if port else 0):
        sock = listen_on(host, port)
        if sock:
            return Listener(sock, port)
        holders = find_holders(host, port)
        if holders:
            break
        await sleep(RETRY_EVERY)
    for candidate in next_ports(port, random):
        sock = listen_on(host, candidate)
        if sock:
            return Listener(sock, port, taken_by=holders)
    raise AddressUnavailable(f"no port is free on {host}")


def next_ports(port: int, random: Random) -> Iterator[int]:
    """Where to try after the wanted port; a wanted port of 0 means any, and begins with the random ones."""
    if port:
        yield from range(port + 1, min(port + SEQUENTIAL_TRIES, HIGHEST_PORT) + 1)
    yield from random.sample(RANDOM_PORTS, RANDOM_TRIES)
    yield 0


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


def take_inherited(environ: MutableMapping[str, str], wanted_port: int) -> Listener | None:
    """The listener that systemd passed us, if it did; the variables are removed either way, as they are ours only."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return None
    listener: Listener | None = None
    for position, fd in enumerate(range(LISTEN_FDS_START, LISTEN_FDS_START + int(count))):
        os.set_inheritable(fd, False)
        sock = _listening_tcp(fd) if listener is None else None
        if sock:
            sock.listen(BACKLOG)
            listener = Listener(sock, wanted_port, inherited=True)
        else:
            os.close(fd)  # kept open, a second listener would queue connections that nobody accepts
            log.warning("inherited_descriptor_unused", fd=fd, name="".join(names[position : position + 1]))
    return listener


def _listening_tcp(fd: int) -> socket.socket | None:
    try:
        sock = socket.socket(fileno=fd)
    except OSError:  # not a socket
        return None
    internet = sock.family in {socket.AF_INET, socket.AF_INET6} and sock.type == socket.SOCK_STREAM
    if internet and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return sock
    sock.detach()
    return None
