"""The verbs that are one request and one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from daemon.client.connection import Connection, read_json
from daemon.client.follow import look
from daemon.client.views import JobView, read_job

MOST_ON_A_PAGE: Final = 200
Field = str | int | float | None  # of a request; None is as good as not given


class Calls:
    """Asked again while the service is away; but for `health`, which is to say so."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def job(self, job_id: str) -> JobView:
        return await look(self._connection, job_id)

    async def jobs(self, state: str | None = None, limit: int | None = None) -> AsyncGenerator[JobView, None]:
        """One's own jobs, newest first: those in `state`, at most `limit`."""
        left, params = limit, texts({"state": state})
        while left is None or left > 0:
            params["limit"] = str(min(left or MOST_ON_A_PAGE, MOST_ON_A_PAGE))
            page = await self._connection.json("GET", "/api/jobs", params=params)
            for body in page.get("jobs", []):
                yield read_job(body)
            left = left - len(page.get("jobs", [])) if left is not None else None
            if not page.get("cursor"):
                return
            params["cursor"] = str(page["cursor"])

    async def cancel(self, job_id: str) -> JobView:
        """Stop a job, which is seen within a tile; one that is over stays as it is."""
        return read_job(await self._connection.json("DELETE", f"/api/jobs/{quote(job_id, safe='')}"))

    async def health(self) -> dict[str, Any]:
        """How the service is, asked once; the members are those of `GET /health`."""
        unwell = HTTPStatus.SERVICE_UNAVAILABLE
        async with self._connection.answer("GET", "/health", accept=unwell) as response:
            return await read_json(response)

    async def service_info(self) -> dict[str, Any]:
        return await self._connection.json("GET", "/api/service-info")

    async def preflight(self, width: int, height: int, format: str, **fields: Field) -> dict[str, Any]:  # noqa: A002
        """What a picture of this size and format would lead to, or the error that it would give."""
        wish = {"width": width, "height": height, "format": format}
        wish |= {key: value for key, value in fields.items() if value is not None}
        return await self._connection.json("POST", "/api/preflight", json=wish)

    async def models(self) -> dict[str, Any]:
        return await self._connection.json("GET", "/api/models")

    async def cache(self) -> dict[str, Any]:
        return await self._connection.json("GET", "/api/cache")

    async def clear_cache(self, *, unfetched: bool = False) -> dict[str, Any]:
        """Let go of finished results; of those that nobody has fetched too, where `unfetched`."""
        return await self._connection.json("DELETE", "/api/cache", params=texts({"unfetched": unfetched or None}))

    async def queue(self) -> dict[str, Any]:
        return await self._connection.json("GET", "/api/queue")

    async def pause_queue(self) -> dict[str, Any]:
        """Let running jobs finish and start no others."""
        return await self._connection.json("POST", "/api/queue/pause")

    async def resume_queue(self) -> dict[str, Any]:
        return await self._connection.json("POST", "/api/queue/resume")

    async def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Any route that takes and gives JSON, for what may be done twice."""
        return await self._connection.json(method, path, json=body)


def texts(fields: dict[str, Field]) -> dict[str, str]:
    """As they go into a query."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
