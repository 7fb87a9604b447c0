"""The same client for programs without an event loop: the same verbs, each of which waits for its end.

It works on an event loop in a thread of its own, so it may be used from any thread, from several at once, and where an
event loop runs already. An interrupt (Ctrl-C) cancels the call that waits. Callbacks run in the caller's thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Self

from daemon.client.calls import Field
from daemon.client.client import Client, Seen
from daemon.client.endpoint import Token
from daemon.client.find import connect
from daemon.client.patience import Patience
from daemon.client.thread import LoopThread, Step
from daemon.client.transfer import Picture
from daemon.client.views import JobEvent, JobView
from daemon.settings import Folders


class SyncClient:
    """As `Client`, whose methods say more. Open from its making until `close`, or use as a context manager."""

    def __init__(self, url: str, token: Token, *, patience: Patience | None = None) -> None:
        self._start(lambda: Client(url, token, patience=patience))

    @classmethod
    def of(cls, make: Callable[[], AbstractAsyncContextManager[Client]]) -> Self:
        """A client of what is opened in the thread."""
        client = cls.__new__(cls)
        client._start(make)  # noqa: SLF001, our own
        return client

    def _start(self, make: Callable[[], AbstractAsyncContextManager[Client]]) -> None:
        self._thread = LoopThread(make)
        self._client = self._thread.opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Calls that wait in other threads end with a RuntimeError."""
        self._thread.close()

    @property
    def url(self) -> str:
        return self._client.url

    def submit(
        self,
        picture: Picture,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        wait: int = 0,
        patient: bool = False,
        **fields: Field,
    ) -> JobView:
        return self._thread.run(
            self._client.submit(
                picture, name=name, idempotency_key=idempotency_key, wait=wait, patient=patient, **fields
            )
        )

    def upscale(
        self,
        picture: Picture,
        target: Path | BinaryIO,
        *,
        name: str | None = None,
        on_progress: Seen | None = None,
        patient: bool = False,
        **fields: Field,
    ) -> JobView:
        here, steps = _in_this_thread(on_progress)
        work = self._client.upscale(picture, target, name=name, on_progress=here, patient=patient, **fields)
        return self._thread.run(work, steps)

    def follow(self, jobs: str | Iterable[str], since: int | None = None) -> Generator[JobEvent, None, None]:
        return self._thread.iterate(self._client.follow(jobs, since))

    def wait_for(self, job_id: str, on_progress: Seen | None = None) -> JobView:
        here, steps = _in_this_thread(on_progress)
        return self._thread.run(self._client.wait_for(job_id, here), steps)

    def download(self, job_id: str, target: Path | BinaryIO) -> int:
        return self._thread.run(self._client.download(job_id, target))

    def job(self, job_id: str) -> JobView:
        return self._thread.run(self._client.job(job_id))

    def jobs(self, state: str | None = None, limit: int | None = None) -> Generator[JobView, None, None]:
        return self._thread.iterate(self._client.jobs(state, limit))

    def cancel(self, job_id: str) -> JobView:
        return self._thread.run(self._client.cancel(job_id))

    def health(self) -> dict[str, Any]:
        return self._thread.run(self._client.health())

    def service_info(self) -> dict[str, Any]:
        return self._thread.run(self._client.service_info())

    def preflight(self, width: int, height: int, format: str, **fields: Field) -> dict[str, Any]:  # noqa: A002
        return self._thread.run(self._client.preflight(width, height, format, **fields))

    def models(self) -> dict[str, Any]:
        return self._thread.run(self._client.models())

    def cache(self) -> dict[str, Any]:
        return self._thread.run(self._client.cache())

    def clear_cache(self, *, unfetched: bool = False) -> dict[str, Any]:
        return self._thread.run(self._client.clear_cache(unfetched=unfetched))

    def queue(self) -> dict[str, Any]:
        return self._thread.run(self._client.queue())

    def pause_queue(self) -> dict[str, Any]:
        return self._thread.run(self._client.pause_queue())

    def resume_queue(self) -> dict[str, Any]:
        return self._thread.run(self._client.resume_queue())

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        return self._thread.run(self._client.ask(method, path, body))


def connect_sync(
    folders: Folders | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    patience: Patience | None = None,
    as_user: bool = False,
) -> SyncClient:
    """As `connect`, `with` the client or until its `close`.

    Raises:
        ServiceUnreachable, AccessTokenRequired, AuthUnavailable: as `connect` does.
    """
    return SyncClient.of(lambda: connect(folders, env, patience=patience, as_user=as_user))


def _in_this_thread(seen: Seen | None) -> tuple[Seen | None, SimpleQueue[Step | None]]:
    """What has a callback wait in a queue, and the queue."""
    steps: SimpleQueue[Step | None] = SimpleQueue()
    return None if seen is None else lambda progress: steps.put(lambda: seen(progress)), steps
