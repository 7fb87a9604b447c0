"""Who has the port that the service wants, for `pro-engine doctor`.

What is recognised here is a hint for the person, by name and looks. Nothing is ever signalled by it: the person runs
the line that is printed, and the supervisor looks again before it ends anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

_NODE: Final = re.compile(r"(node|nodejs|electron)(\d*|\.exe)", re.IGNORECASE)
_OLD_ENGINE: Final = re.compile(r"pro[-_ ]?(engine|upscaler)", re.IGNORECASE)
_ASK_SECONDS: Final = 1.0
_MOST_OF_AN_ANSWER: Final = 1 << 16
# HTTP/1.0: the answer comes in one piece and ends with the connection
_ASKING: Final = b"GET /health?challenge=1 HTTP/1.0\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Holder:
    """A process that listens on the port; nothing is known of one that this user cannot see."""

    pid: int | None = None
    name: str = ""
    user: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""  # where it stands

    def __str__(self) -> str:
        if self.pid is None:
            return "a process that this user cannot see"
        return f"{self.name} (pid {self.pid}, user {self.user})"


async def explain(host: str, port: int) -> str:
    """Who has the port, and what a person can do about it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"PRO_ENGINE_HOST must be a literal address such as 127.0.0.1, not {host!r}"
    holders = find_holders(host, port)
    if not holders:
        return f"{port} on {host} is free"
    health = await ask_health(host, port)
    old = next((holder for holder in holders if looks_like_the_old_engine(holder, health)), None)
    if old:
        return (
            f"{port} on {host} is held by {old}, which looks like the old engine of Pro Upscaler. "
            f"Where it is, this takes its place: pro-engine run --evict {old.pid}"
        )
    names = ", ".join(dict.fromkeys(map(str, holders)))
    if "proof" in health:
        names = f"another Pro Engine: {names}"
    return f"{port} on {host} is held by {names}: the service takes another port, and publishes which"


def find_holders(host: str, port: int) -> list[Holder]:
    """One for each socket in the way; unknown where this user cannot see whose it is."""
    return [
        _look_at(pid)
        for pid, row in _connections()
        if row.status == psutil.CONN_LISTEN and row.laddr.port == port and _excludes(row.laddr.ip, host)
    ]


def looks_like_the_old_engine(holder: Holder, health: Mapping[str, Any]) -> bool:
    """Node that was started as it, or that answers like it: the old `/health` has services, and no proof."""
    named = any(_OLD_ENGINE.search(text) for text in (*holder.command, holder.folder))
    return _is_node(holder) and (named or ("services" in health and "proof" not in health))


def _is_node(holder: Holder) -> bool:
    names = {holder.name, *(Path(word).name for word in holder.command[:1])}
    return any(_NODE.fullmatch(name) for name in names)


async def ask_health(host: str, port: int) -> dict[str, Any]:
    """What `/health` says; empty where nothing like it answers."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if isinstance(address, ipaddress.IPv4Address) else "::1"
    text = b""
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                writer.write(_ASKING)
                while more := await reader.read(_MOST_OF_AN_ANSWER - len(text)):
                    text += more
        answer = json.loads(text.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _connections() -> Iterator[tuple[int | None, Any]]:
    try:
        yield from ((row.pid, row) for row in psutil.net_connections("tcp"))
    except psutil.AccessDenied:  # macOS lets only root list them all
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                yield from ((process.pid, row) for row in process.net_connections("tcp"))


def _look_at(pid: int | None) -> Holder:
    if pid is None:
        return Holder()
    try:
        process = psutil.Process(pid)
        return Holder(pid, process.name(), process.username(), tuple(process.cmdline()), _folder(process))
    except (psutil.Error, OSError):  # gone meanwhile, or not ours to ask
        return Holder()


def _folder(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except (psutil.Error, OSError):
        return ""


def _excludes(listening: str, wanted: str) -> bool:
    one, other = ipaddress.ip_address(listening.partition("%")[0]), ipaddress.ip_address(wanted)
    if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped:
        one = one.ipv4_mapped
    return one == other or one.is_unspecified or other.is_unspecified
