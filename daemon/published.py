"""Where a running service says that it is: the user's own one, and after that the machine's.

The files are a hint, never a proof: `connect` of the client has the service prove itself before it sends a token.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon.errors import ServiceUnreachable
from daemon.settings import Folders

SYSTEM_FOLDER: Final = "/run/pro-engine"  # the system unit's RuntimeDirectory, for its group to read
GROUP: Final = "pro-engine"


@dataclass(frozen=True)
class Address:
    """Where a service of ours listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def published_address(folders: Folders) -> Address | None:
    """What the runtime file says, which a killed supervisor may have left behind."""
    try:
        found = json.loads(folders.runtime_file.read_text())
        return Address(str(found["host"]), int(found["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def published_services(own: Folders, env: Mapping[str, str]) -> Iterator[tuple[Address, Folders]]:
    """The addresses that are worth a try, in this order, each with the folders that have its token and secret.

    Raises:
        ServiceUnreachable: at the end, where there is a system service that this user may not use.
    """
    shared = system_folders(env)
    for folders in (own, shared):
        if address := published_address(folders):
            yield address, folders
    if _is_closed_to_us(shared):
        name = _own_name()
        raise ServiceUnreachable(
            f"this machine's service is for the group {GROUP}, and {name} is not in it: "
            f"`sudo usermod -aG {GROUP} {name}`, and log in again"
        )


def published_runtime(url: str, own: Folders, env: Mapping[str, str]) -> dict[str, Any]:
    """All that the service at this address publishes of itself, for a person to read; empty where it is gone again."""
    for folders in (own, system_folders(env)):
        if (address := published_address(folders)) and address.url == url:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(folders.runtime_file.read_text()))
    return {}


def system_folders(env: Mapping[str, str]) -> Folders:
    """What a system service shows to its group, in the shape of folders. It shares no cache."""
    shared = Path(env.get("PRO_ENGINE_SHARED_DIR") or SYSTEM_FOLDER)
    return Folders(shared, shared)


def read_word(path: Path) -> str:
    """A token or a secret.

    Raises:
        ServiceUnreachable: it is not there for us.
    """
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ServiceUnreachable(f"{path} cannot be read: is the service another user's?") from error


def _is_closed_to_us(folders: Folders) -> bool:
    return folders.state.is_dir() and not os.access(folders.state, os.X_OK)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run us as a number that has no name
        return str(os.getuid())
