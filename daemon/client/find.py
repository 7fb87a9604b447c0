"""Finding the service that runs on this machine: by its runtime file, known by its proof."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from daemon import settings
from daemon.client.account import SignedIn
from daemon.client.client import Client
from daemon.client.connection import Connection
from daemon.client.endpoint import Endpoint
from daemon.client.patience import Patience
from daemon.errors import ServiceUnreachable
from daemon.published import Address, published_services, read_word
from daemon.settings import Folders

FIND_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Published:
    """The service that says of itself that it runs, each time it is looked for: the user's own, or else the machine's.

    After a restart it may have another port, and a stranger the old one.
    """

    folders: Folders
    env: Mapping[str, str]
    signed_in: SignedIn | None = None  # in place of the machine's own token, where the service has accounts

    async def find(self, refused: str | None) -> Endpoint:
        first: ServiceUnreachable | None = None
        for address, found in published_services(self.folders, self.env):
            try:
                await prove(address, read_word(found.secret))
                users = await self.signed_in.token(address.url, refused) if self.signed_in is not None else None
                return Endpoint(address.url, users or read_word(found.token))
            except ServiceUnreachable as error:
                first = first or error
        raise first or ServiceUnreachable(
            "no service is running; `pro-engine run` starts one, `pro-engine service install` keeps one"
        )


@asynccontextmanager
async def connect(
    folders: Folders | None = None,
    env: Mapping[str, str] = os.environ,
    *,
    patience: Patience | None = None,
    as_user: bool = False,
) -> AsyncIterator[Client]:
    """A client of the service that is running: the user's own, whose folders these are, or else the machine's.

    It administers that service by the machine's own token. `as_user`, it acts for whoever has signed in by `pro-engine
    login`, where the service works for the users of a project; where it has no accounts, that is the same.

    It has proved that it is ours before it gets the token, and proves it again whenever it was lost.

    Raises:
        ServiceUnreachable: none is published, none answers, or what answers there is not ours.
        AccessTokenRequired: nobody has signed in.
        AuthUnavailable: the user's token has to be renewed, and the project is out of reach.
    """
    own = folders or settings.folders(env)
    source = Published(own, env, SignedIn(own) if as_user else None)
    connection = Connection("", source, patience or Patience())
    await connection.endpoint()
    connection.reached()
    async with Client.over(connection) as client:
        yield client


async def prove(address: Address, secret: str) -> None:
    """Let the service prove that it has our secret, before any token is sent: another program may have its port.

    Raises:
        ServiceUnreachable: it did not answer in time, or could not.
    """
    challenge = secrets.token_hex(16)
    try:
        async with asyncio.timeout(FIND_SECONDS), aiohttp.ClientSession(address.url) as session:
            async with session.get("/health", params={"challenge": challenge}) as response:
                health = await response.json(content_type=None)
            text = f"challenge|{challenge}|{health['pid']}|{address.port}"
            expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            proved = hmac.compare_digest(expected, str(health["proof"]))
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise ServiceUnreachable(f"nothing of ours answers at {address.url}") from error
    if not proved:
        raise ServiceUnreachable(f"what answers at {address.url} is not this service")
