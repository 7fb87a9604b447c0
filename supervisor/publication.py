"""What is told about us: the runtime file for local clients, and the status line for systemd."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from supervisor import runtime_file
from supervisor.notify import Notifier
from supervisor.runtime_file import RuntimeFile

SHARED_MODE = 0o640  # in a system service's shared folder: for the users of its group

log = structlog.get_logger()


class Publication:
    """Told again at each change of state. A disk that is full costs the file, never the service."""

    def __init__(
        self,
        runtime: RuntimeFile,
        notifier: Notifier,
        state_dir: Path,
        shared_dir: Path | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.runtime = runtime
        self._notifier = notifier
        self._folders = [(state_dir, 0o600), *([(shared_dir, SHARED_MODE)] if shared_dir else [])]
        self._clock = clock

    def tell(self, state: str, why: str | None = None, *notices: str, **changes: Any) -> None:
        """`notices` are systemd's own words (READY=1), `changes` other fields of the runtime file."""
        self.runtime = replace(self.runtime, state=state, why=why, since=self._clock(), **changes)
        status = f"{state} on {self.runtime.url}" + (f": {why}" if why else "")
        self._notifier.send(*notices, f"STATUS={status}")
        for folder, mode in self._folders:
            try:
                runtime_file.publish(self.runtime, folder, mode)
            except OSError as error:  # clients that know the port are served all the same
                log.error("runtime_file_not_published", folder=str(folder), error=str(error))  # noqa: TRY400

    def withdraw(self) -> None:
        for folder, _ in self._folders:
            with contextlib.suppress(OSError):
                runtime_file.withdraw(self.runtime, folder)
