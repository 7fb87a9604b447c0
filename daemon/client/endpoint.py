"""Where a service is, and what lets us in."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from daemon.errors import BadRequest

Token = str | Callable[[], str | Awaitable[str]]


@dataclass(frozen=True)
class Endpoint:
    """One address of a service, and the token for it."""

    url: str
    token: str = field(repr=False)


class Source(Protocol):
    """Where an endpoint comes from."""

    async def find(self, refused: str | None) -> Endpoint:
        """The service as it is now, with another token than `refused` where there is one.

        Raises:
            ServiceUnreachable: there is none.
        """
        ...


class Given:
    """An address that the program was given, with a token or with what gets one."""

    def __init__(self, url: str, token: Token) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise BadRequest(f"{url!r} is no address of a service: it begins with http:// or https://")
        self.url = url.rstrip("/")
        self._token = token
        self._known: str | None = token if isinstance(token, str) else None

    async def find(self, refused: str | None) -> Endpoint:
        """A token is asked for at first, and again where it was refused."""
        if self._known in {None, refused} and not isinstance(self._token, str):
            found = self._token()
            self._known = await found if inspect.isawaitable(found) else found
        assert self._known is not None
        return Endpoint(self.url, self._known.strip())
