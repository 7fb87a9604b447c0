"""The client: every verb of a service, for programs with an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import quote

from daemon.client.calls import Calls, Field, texts
from daemon.client.connection import Connection, read_json
from daemon.client.endpoint import Given, Token
from daemon.client.follow import follow
from daemon.client.patience import Patience, Tries
from daemon.client.transfer import Outgoing, Picture, download, outgoing
from daemon.client.views import JobEvent, JobView, read_job
from daemon.errors import ProEngineError, ServiceUnreachable

CANCEL_SECONDS: Final = 5.0  # for an interrupted call to take its job back
Seen = Callable[[float], object]  # is told the progress, 0 to 1


class Client(Calls):
    """An open connection with a service. Use as an async context manager; usable by many tasks at once.

    `token` may be a callable, async or not: it is asked for another one when the service takes the last no more.
    No proof is asked of what answers at `url`: whoever listens there gets the token. `connect` asks for one.

    Whatever may be done twice is done again while the service is away, for `patience.away` seconds. Every method
    raises ProEngineError: what the service says by its code, ServiceUnreachable, or UnexpectedAnswer.
    """

    def __init__(self, url: str, token: Token, *, patience: Patience | None = None) -> None:
        given = Given(url, token)
        super().__init__(Connection(given.url, given, patience or Patience()))

    @classmethod
    def over(cls, connection: Connection) -> Self:
        """A client of whatever a connection leads to."""
        client = cls.__new__(cls)
        Calls.__init__(client, connection)
        return client

    @property
    def url(self) -> str:
        """Where the service was found last."""
        return self._connection.url

    async def __aenter__(self) -> Self:
        self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def submit(
        self,
        picture: Picture,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        wait: int = 0,
        patient: bool = False,
        **fields: Field,
    ) -> JobView:
        """Hand in a picture with the fields of `POST /api/process`; wait up to `wait` seconds (60) for its end.

        Goes under a key, made here where none is given: handed in again, it is the same job. So it is tried again while
        the service is away, and with `patient` while its queue is full. An open file is read from its present position;
        one that cannot seek is sent once.
        """
        async with outgoing(picture, name) as body:
            return await self._submit(body, fields, idempotency_key, wait, patient=patient)

    async def _submit(
        self, body: Outgoing, fields: dict[str, Field], key: str | None = None, wait: int = 0, *, patient: bool
    ) -> JobView:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        if body.size is not None:
            headers["Content-Length"] = str(body.size)
        if wait:
            headers["Prefer"] = f"wait={wait}"
        params = texts(fields) | {"name": body.name}

        async def hand_in() -> JobView:
            try:
                async with self._connection.answer(
                    "POST", "/api/process", params=params, data=body.chunks(), headers=headers
                ) as response:
                    return read_job(await read_json(response))
            except ServiceUnreachable:
                if body.failed is not None:
                    raise body.failed from None
                raise

        if body.size is None:
            return await hand_in()
        return await self._connection.patiently(hand_in, Tries(self._connection.patience, for_room=patient))

    async def upscale(
        self,
        picture: Picture,
        target: Path | BinaryIO,
        *,
        name: str | None = None,
        on_progress: Seen | None = None,
        patient: bool = False,
        **fields: Field,
    ) -> JobView:
        """Hand in, wait, download; the job as it was when it was done. An interrupted call cancels its job.

        Raises:
            ProEngineError: the job's own error too, and Cancelled where somebody else cancelled it.
        """
        async with outgoing(picture, name) as body:
            job = await self._submit_or_take_back(body, fields, patient=patient)
        try:
            if not job.is_over:
                job = await self.wait_for(job.id, on_progress)
            job.require_done()
            await self.download(job.id, target)
        except ServiceUnreachable:
            raise  # there is nobody to tell
        except BaseException:
            await self._take_back(job)
            raise
        return job

    async def _submit_or_take_back(self, body: Outgoing, fields: dict[str, Field], *, patient: bool) -> JobView:
        """An upload that is interrupted halfway makes no job. One that was sent whole makes one that nobody wants."""
        submission = asyncio.create_task(self._submit(body, fields, patient=patient))
        try:
            return await asyncio.shield(submission)
        except BaseException:
            try:
                if body.is_sent:
                    await asyncio.wait({submission}, timeout=CANCEL_SECONDS)
            finally:
                submission.cancel()
            answer = (await asyncio.gather(submission, return_exceptions=True))[0]
            if isinstance(answer, JobView):
                await self._take_back(answer)
            raise

    async def _take_back(self, job: JobView) -> None:
        with contextlib.suppress(ProEngineError, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.cancel(job.id)

    def follow(self, jobs: str | Iterable[str], since: int | None = None) -> AsyncGenerator[JobEvent, None]:
        """The events of a job, of several, or of all (`"*"`), over as many connections as it takes.

        Each change of a job's state is told once, and its last one always, `from_snapshot` where the service has no
        record of the change any more; progress never falls. It ends with the last event of the last job, and for `"*"`
        never. It begins with how the jobs stand (all: those that are not over) or, with `since`, the `seq` of an event
        that is known, with what came after that. Close it where you leave it early: `contextlib.aclosing`.

        Raises:
            NotFound: one of several jobs does not exist.
        """
        if isinstance(jobs, str):
            return follow(self._connection, None if jobs == "*" else frozenset({jobs}), since)
        return follow(self._connection, frozenset(jobs), since)

    async def wait_for(self, job_id: str, on_progress: Seen | None = None) -> JobView:
        """The job once it is over, however it ended; `require_done` of it raises where it was not well."""
        async with aclosing(self.follow(job_id)) as events:
            async for event in events:
                if on_progress is not None and event.progress is not None:
                    on_progress(event.progress)
        return await self.job(job_id)

    async def download(self, job_id: str, target: Path | BinaryIO) -> int:
        """Write a job's result to `target`; its size in bytes. A transfer that is cut goes on where it was.

        A file comes about whole or not at all, in place of one that is there. An open file is written from its present
        position; it must be able to seek if the result may be replaced meanwhile.

        Raises:
            ResultNotReady, ResultExpired: ask again later, or for the picture anew.
        """
        return await download(self._connection, f"/api/jobs/{quote(job_id, safe='')}/result", target)
