"""Who listens on a port, for the message to the person. Nobody found here is ever signalled.

A name or a command line proves nothing: what may be cleared is what the kernel attests as ours, by the holder of a
record lock (`lock.record_holder`). What is found here has only the right to be named.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class PortHolder:
    """The process that listens; everything is unknown of one in another container or, often, of another user."""

    address: str
    pid: int | None = None
    name: str | None = None
    user: str | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process that this user cannot see (on {self.address})"
        details = [f"pid {self.pid}"]
        if self.user:
            details.append(f"user {self.user}")
        if self.since:
            details.append(f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S}")
        return f"{self.name or 'a process'} ({', '.join(details)})"


FindHolders = Callable[[str, int], tuple[PortHolder, ...]]


def find_port_holders(host: str, port: int) -> tuple[PortHolder, ...]:
    """Every process that is seen to listen on the port; empty where no socket listens, known or not.

    Each process is asked, because the system-wide list names one pid only for a listener that several inherited;
    the system-wide list is read first, because it shows the sockets of those that cannot be asked.
    """
    import psutil  # memory that an undisturbed start does not need

    try:
        seen = [row.laddr for row in psutil.net_connections("tcp") if row.laddr and row.status == psutil.CONN_LISTEN]
    except psutil.AccessDenied:  # macOS lets only root list them; then the walk is all there is
        seen = []
    hidden = [address.ip for address in seen if address.port == port and conflicts(address.ip, host)]
    return tuple(_walk(host, port)) or tuple(PortHolder(address) for address in dict.fromkeys(hidden))


def _walk(host: str, port: int) -> Iterator[PortHolder]:
    import psutil

    for candidate in psutil.process_iter():
        try:
            rows = candidate.net_connections("tcp")
            listening = [row.laddr.ip for row in rows if row.status == psutil.CONN_LISTEN and row.laddr.port == port]
            address = next((ip for ip in listening if conflicts(ip, host)), None)
            if address is None:
                continue
            since = datetime.fromtimestamp(candidate.create_time(), UTC)
            yield PortHolder(address, candidate.pid, candidate.name(), candidate.username(), since)
        except (psutil.Error, OSError):  # gone meanwhile, or not ours to ask
            continue


def conflicts(listening: str, wanted: str) -> bool:
    """Whether the two addresses exclude each other on one port: equal, or one is a wildcard."""
    ours, theirs = ipaddress.ip_address(wanted), ipaddress.ip_address(listening.partition("%")[0])
    if isinstance(theirs, ipaddress.IPv6Address) and theirs.ipv4_mapped:
        theirs = theirs.ipv4_mapped
    return ours == theirs or ours.is_unspecified or theirs.is_unspecified
