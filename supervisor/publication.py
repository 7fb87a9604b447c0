"""What is told about us: the runtime file for local clients, and the status line for systemd."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from supervisor import runtime_file
from supervisor.notify import Notifier
from supervisor.runtime_file import RuntimeFile

RETRY_EVERY = 10.0  # seconds, where a file could not be written
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
        retry_every: float = RETRY_EVERY,
    ) -> None:
        self.runtime = runtime
        self._notifier = notifier
        self._folders = [(state_dir, 0o600), *([(shared_dir, SHARED_MODE)] if shared_dir else [])]
        self._clock = clock
        self._retry_every = retry_every
        self._retrying: asyncio.TimerHandle | None = None

    def tell(self, state: str, why: str | None = None, *notices: str, **changes: Any) -> None:
        """`notices` are systemd's own words (READY=1), `changes` other fields of the runtime file."""
        self.runtime = replace(self.runtime, state=state, why=why, since=self._clock(), **changes)
        status = f"{state} on {self.runtime.url}" + (f": {why}" if why else "")
        self._notifier.send(*notices, f"STATUS={status}")
        self._publish(self._folders, quietly=False)

    def _publish(self, folders: Sequence[tuple[Path, int]], *, quietly: bool) -> None:
        """Those that cannot be written are tried again, quietly: the next change of state may be days away."""
        self._stop_retrying()
        failed = []
        for folder, mode in folders:
            try:
                runtime_file.publish(self.runtime, folder, mode)
            except OSError as error:  # clients that know the port are served all the same
                if not quietly:
                    log.error("runtime_file_not_published", folder=str(folder), error=str(error))  # noqa: TRY400
                failed.append((folder, mode))
        if failed:
            loop = asyncio.get_running_loop()
            self._retrying = loop.call_later(self._retry_every, lambda: self._publish(failed, quietly=True))

    def _stop_retrying(self) -> None:
        if self._retrying:
            self._retrying.cancel()

    def withdraw(self) -> None:
        self._stop_retrying()
        for folder, _ in self._folders:
            with contextlib.suppress(OSError):
                runtime_file.withdraw(self.runtime, folder)
