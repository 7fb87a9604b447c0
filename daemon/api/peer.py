"""Whose program is at the other end of a loopback connection, by the kernel's own table of connections (Linux)."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiohttp import web

TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LOCAL, REMOTE, UID = 1, 2, 7  # columns


async def peer_uid(request: web.Request) -> int | None:
    """The user id of the client's process; None where the table does not know: not Linux, or not of this machine."""
    if request.transport is None:
        return None
    client, server = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    return await asyncio.to_thread(_look_up, client[:2], server[:2]) if client and server else None


def _look_up(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    ends = set(zip(_spellings(*client), _spellings(*server), strict=False))
    for table in TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, lines):
            if (columns[LOCAL], columns[REMOTE]) in ends:
                return int(columns[UID])
    return None


def _spellings(host: str, port: int) -> Iterator[str]:
    """How the table writes an address: by words in the machine's order; IPv4 also as it looks to a socket of IPv6."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    forms = [address.packed]
    if isinstance(address, ipaddress.IPv4Address):
        forms.append(bytes(10) + b"\xff\xff" + address.packed)
    for packed in forms:
        words = struct.unpack(f">{len(packed) // 4}I", packed)
        swapped = (int.from_bytes(word.to_bytes(4, "big"), sys.byteorder) for word in words)
        yield f"{''.join(f'{word:08X}' for word in swapped)}:{port:04X}"
