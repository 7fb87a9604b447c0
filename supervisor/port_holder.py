"""Who listens on a port, for the message to the person. Nobody found here is ever signalled.

A name or a command line proves nothing: what may be cleared is what the kernel attests as ours, by the holder of a
record lock (`lock.record_holder`). What is found here has only the right to be named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.address import conflicts
from supervisor.listening import listening_sockets, sockets_by_pid

if TYPE_CHECKING:
    import psutil

LONGEST_WORD = 200  # of a name that its owner chose
_UNKNOWN = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PortHolder:
    """The process that listens; little is known of one in another container or, often, of another user."""

    address: str
    pid: int | None = None
    name: str | None = None
    user: str | None = None
    since: datetime | None = None
    state_dir: str | None = None  # it says that it is a Pro Engine, with this state folder
    in_container: bool = False
    sharing: int = 0  # how many more of its kind have the same socket, as the workers of a web server do

    def __str__(self) -> str:
        if self.pid == os.getpid():
            return f"this service itself (on {self.address})"
        if self.pid is None:
            owner = f" of user {self.user}" if self.user else ""
            return f"a process{owner} that this user cannot see (on {self.address})"
        details = [f"pid {self.pid}"]
        if self.user:
            details.append(f"user {self.user}")
        if self.since:
            details.append(f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S}")
        if self.state_dir:
            details.append(f"state folder {printable(self.state_dir)}")
        if self.in_container:
            details.append("in a container")
        if self.sharing:
            details.append(f"with {self.sharing} more of its processes")
        name = "another Pro Engine" if self.state_dir else printable(self.name or "a process")
        return f"{name} ({', '.join(details)})"


def printable(word: str) -> str:
    """A stranger's word as it may be shown: an escape in it would steer the terminal, a new line forge one of ours."""
    shown = word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


FindHolders = Callable[[str, int], tuple[PortHolder, ...]]


def find_port_holders(host: str, port: int) -> tuple[PortHolder, ...]:
    """Every process that is seen to listen on the port, oldest first; empty where no socket listens, known or not.

    All that have the socket are looked for, because many lists name one pid only for a listener that several inherited.
    """
    sockets = listening_sockets(host, port)
    if sockets is None:
        return _one_of_a_kind(_ask_each_process(host, port))
    seen = _one_of_a_kind(_describe(pid, sock.address) for pid, sock in sockets_by_pid(sockets))
    return seen or tuple(PortHolder(sock.address, user=_user_name(sock.uid)) for sock in sockets)


def _ask_each_process(host: str, port: int) -> Iterator[PortHolder | None]:
    """Where the kernel has no such list (macOS); only root is told of other users' processes."""
    import psutil  # memory that an undisturbed start does not need

    for candidate in psutil.process_iter():
        try:
            rows = candidate.net_connections("tcp")
        except (psutil.Error, OSError):  # gone meanwhile, or not ours to ask
            continue
        listening = [row.laddr.ip for row in rows if row.status == psutil.CONN_LISTEN and row.laddr.port == port]
        address = next((ip for ip in listening if conflicts(ip, host)), None)
        if address is not None:
            yield _describe(candidate.pid, address)


def _describe(pid: int, address: str) -> PortHolder | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return PortHolder(
            address,
            pid,
            process.name(),
            process.username(),
            datetime.fromtimestamp(process.create_time(), UTC),
            state_dir=_state_dir_of_pro_engine(process),
            in_container=_pid_namespace(pid) not in {None, _pid_namespace(os.getpid())},
        )
    except psutil.NoSuchProcess:  # gone meanwhile
        return None
    except (psutil.Error, OSError):  # not ours to ask
        return PortHolder(address, pid)


def _one_of_a_kind(holders: Iterable[PortHolder | None]) -> tuple[PortHolder, ...]:
    """The oldest of those that share a listener, which most likely started the others."""
    kinds: dict[tuple[str | None, ...], list[PortHolder]] = {}
    known = [holder for holder in holders if holder]
    for holder in sorted(known, key=lambda holder: (holder.since or _UNKNOWN, holder.pid or 0)):
        kinds.setdefault((holder.address, holder.name, holder.user, holder.state_dir), []).append(holder)
    return tuple(replace(kind[0], sharing=len(kind) - 1) for kind in kinds.values())


def _state_dir_of_pro_engine(process: psutil.Process) -> str | None:
    import psutil

    try:
        return state_dir_told(process.environ(), process.cmdline())
    except (psutil.Error, OSError):
        return None


def state_dir_told(environ: Mapping[str, str], command: Sequence[str]) -> str | None:
    """The state folder of a process that looks like a Pro Engine: the variable alone may come from a shell."""
    is_ours = "PRO_ENGINE_INSTANCE" in environ or ("-m" in command and not {"supervisor", "daemon"}.isdisjoint(command))
    return environ.get("PRO_ENGINE_STATE_DIR") if is_ours else None


def _pid_namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:  # not Linux, or not ours to ask
        return None


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
