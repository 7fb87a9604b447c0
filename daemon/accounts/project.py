"""The Supabase project whose users may use this service, and what is asked of it over HTTP."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from daemon.errors import AccountsUnavailable

RETRY_SECONDS: Final = 10
SECONDS: Final = ClientTimeout(total=5.0, connect=2.0)


@dataclass(frozen=True)
class Project:
    """Its address without a slash at the end, and the key that anybody may know."""

    url: str
    key: str = field(repr=False)

    @property
    def issuer(self) -> str:
        """Who signs its users' tokens."""
        return f"{self.url}/auth/v1"


class ProjectHttp:
    """One pool of connections to the project, from `open` to `close`."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._session: ClientSession | None = None

    async def open(self) -> None:
        # aiohttp's own context was made without authorities, see quick_imports
        context = await asyncio.to_thread(ssl.create_default_context)
        self._session = ClientSession(
            headers={"apikey": self._project.key}, timeout=SECONDS, connector=TCPConnector(ssl=context)
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Status and JSON, None for what is none.

        Raises:
            AccountsUnavailable: the project is out of reach, or not itself.
        """
        assert self._session is not None, "it was not opened"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.get(self._project.url + path, headers=headers, allow_redirects=False) as response:
                body = await response.read()
                status = response.status
        except (ClientError, TimeoutError, OSError) as error:
            why = f"the project of your account cannot be reached: {error}"
            raise AccountsUnavailable(why, retry_after=RETRY_SECONDS) from error
        try:
            return status, json.loads(body)
        except ValueError:
            return status, None
