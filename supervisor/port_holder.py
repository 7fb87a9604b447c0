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

if TYPE_CHECKING:
    import psutil

_LISTENING = b"0A"  # in /proc/net/tcp


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
            details.append(f"state folder {self.state_dir}")
        if self.in_container:
            details.append("in a container")
        if self.sharing:
            details.append(f"with {self.sharing} more of its processes")
        name = "another Pro Engine" if self.state_dir else self.name or "a process"
        return f"{name} ({', '.join(details)})"


FindHolders = Callable[[str, int], tuple[PortHolder, ...]]


def find_port_holders(host: str, port: int) -> tuple[PortHolder, ...]:
    """Every process that is seen to listen on the port, oldest first; empty where no socket listens, known or not.

    The system-wide list is read first, because it shows the sockets of those that cannot be asked. Then each process
    is asked, because that list names one pid only for a listener that several inherited.
    """
    import psutil  # memory that an undisturbed start does not need

    try:
        rows = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS lets only root list them; then the walk is all there is
        return _one_of_a_kind(_walk(host, port))
    listening = [row.laddr for row in rows if row.laddr and row.status == psutil.CONN_LISTEN]
    hidden = [address.ip for address in listening if address.port == port and conflicts(address.ip, host)]
    if not hidden:
        return ()
    user = _owner_of_sockets(port)
    return _one_of_a_kind(_walk(host, port)) or tuple(PortHolder(ip, user=user) for ip in dict.fromkeys(hidden))


def _walk(host: str, port: int) -> Iterator[PortHolder]:
    import psutil

    for candidate in psutil.process_iter():
        try:
            rows = candidate.net_connections("tcp")
            listening = [row.laddr.ip for row in rows if row.status == psutil.CONN_LISTEN and row.laddr.port == port]
            address = next((ip for ip in listening if conflicts(ip, host)), None)
            if address is not None:
                yield _describe(candidate, address)
        except (psutil.Error, OSError):  # gone meanwhile, or not ours to ask
            continue


def _describe(process: psutil.Process, address: str) -> PortHolder:
    return PortHolder(
        address,
        process.pid,
        process.name(),
        process.username(),
        datetime.fromtimestamp(process.create_time(), UTC),
        state_dir=_state_dir_of_pro_engine(process),
        in_container=_pid_namespace(process.pid) not in {None, _pid_namespace(os.getpid())},
    )


def _one_of_a_kind(holders: Iterable[PortHolder]) -> tuple[PortHolder, ...]:
    """The oldest of those that share a listener, which most likely started the others."""
    kinds: dict[tuple[str | None, ...], list[PortHolder]] = {}
    for holder in sorted(holders, key=lambda holder: (holder.since or datetime.max.replace(tzinfo=UTC), holder.pid)):
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


def _owner_of_sockets(port: int) -> str | None:
    """The kernel tells whose a socket is, even where it hides the process; None where that is not one user."""
    owners: set[int] = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{table}").read_bytes().splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, _, _, _, uid, *_ in map(bytes.split, rows):
            if state == _LISTENING and int(local.rpartition(b":")[2], 16) == port:
                owners.add(int(uid))
    return _user_name(owners.pop()) if len(owners) == 1 else None


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
