"""Listening sockets that the service manager hands us: its own, or those that an earlier start left in its keeping."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

import structlog

from supervisor.address import is_same_address

BACKLOG = 4096  # connections that wait while no daemon accepts; the kernel caps it at somaxconn
LISTEN_FDS_START = 3
MOST = 64  # far more than any unit keeps; a wrong number is not to keep us busy

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Choice:
    """What the inherited sockets are good for. All others are only served until what queues there is done."""

    wanted: socket.socket | None = None  # on the address and port that the settings name
    stand_in: socket.socket | None = None  # on that address, but another port: the fallback of an earlier start


def choose(inherited: Sequence[socket.socket], host: str, wanted_port: int) -> Choice:
    """Decides by addresses only; a wanted port of 0 means that any port is the wanted one.

    A socket on another address than the settings name is never chosen, and one on every address neither: who narrows
    the address means it.
    """
    on_host = [sock for sock in inherited if is_same_address(str(sock.getsockname()[0]), host)]
    wanted = next((sock for sock in on_host if wanted_port in {0, sock.getsockname()[1]}), None)
    return Choice(wanted, None if wanted else next(iter(on_host), None))


def take_inherited(environ: MutableMapping[str, str]) -> tuple[socket.socket, ...]:
    """Every listening TCP socket that was passed to us. The variables are removed: they are ours only.

    What else was passed is closed: kept open, it would hold something that nobody serves.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return ()
    return tuple(_take(min(int(count), MOST), names))


def _take(count: int, names: Sequence[str]) -> Iterator[socket.socket]:
    seen: set[int] = set()
    for position, fd in enumerate(range(LISTEN_FDS_START, LISTEN_FDS_START + count)):
        try:
            os.set_inheritable(fd, False)
            same = os.fstat(fd).st_ino
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            continue
        sock = None if same in seen else _listening_tcp(fd)  # a socket unit's own may also be in the descriptor store
        if sock is None:
            os.close(fd)
            log.warning("inherited_descriptor_unused", fd=fd, name="".join(names[position : position + 1]))
            continue
        seen.add(same)
        sock.listen(BACKLOG)  # whoever opened it may have asked for less
        yield sock


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
