"""The kernel's own list of listening TCP sockets, read once for all processes. Linux only.

Rejected: psutil's list of a process's connections, which reads every connection of the machine once per process: with
thousands of them in TIME_WAIT it takes many seconds.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.address import conflicts

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = b"0A"


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    address: str
    uid: int  # whose it is; told even where the process is hidden
    inode: int


def listening_sockets(host: str, port: int) -> list[ListeningSocket] | None:
    """Those that keep us from the port; None where the kernel does not tell."""
    found: list[ListeningSocket] | None = None
    for table in TABLES:
        try:
            rows = table.read_bytes().splitlines()[1:]
        except OSError:  # a kernel without IPv6, or no Linux
            continue
        found = found or []
        for _, local, _, state, _, _, _, uid, _, inode, *_ in map(bytes.split, rows):
            at, _, its_port = local.partition(b":")
            if state == _LISTENING and int(its_port, 16) == port and conflicts(address := _address(at), host):
                found.append(ListeningSocket(address, int(uid), int(inode)))
    return found


def sockets_by_pid(sockets: list[ListeningSocket]) -> Iterator[tuple[int, ListeningSocket]]:
    """Every process that has one of them, as far as this user may see."""
    wanted = {f"socket:[{sock.inode}]": sock for sock in sockets}
    for process in Path("/proc").iterdir() if wanted else ():
        if process.name.isdigit():
            found = next((wanted[opened] for opened in _descriptors(process) if opened in wanted), None)
            if found:
                yield int(process.name), found


def _descriptors(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # gone meanwhile, or another user's
        return
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            yield str(descriptor.readlink())


def _address(text: bytes) -> str:
    """Words of four bytes, each in the machine's order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
