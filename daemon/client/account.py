"""The token of whoever has signed in, for a service that works for the users of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from daemon.accounts.project import Project
from daemon.errors import ServiceUnreachable
from daemon.settings import Folders
from daemon.signin.keeping import keeping_for
from daemon.signin.signed_in import access_token

SECONDS = aiohttp.ClientTimeout(total=5.0)


@dataclass(frozen=True)
class SignedIn:
    """On this machine, by `pro-engine login`; these are the user's own folders."""

    folders: Folders

    async def token(self, url: str, refused: str | None) -> str | None:
        """For the service at `url`; None where that has no accounts.

        Raises:
            AccessTokenRequired: nobody has signed in, or has to do so again.
            AuthUnavailable: the token has to be renewed, and the project is out of reach.
        """
        project = await project_of(url)
        if project is None:
            return None
        file = self.folders.session
        return await access_token(project, keeping_for(file), file.with_suffix(".lock"), refused)


async def project_of(url: str) -> Project | None:
    """The one whose users a service works for.

    Raises:
        ServiceUnreachable: it does not say.
    """
    try:
        async with aiohttp.ClientSession(url, timeout=SECONDS) as session, session.get("/api/service-info") as response:
            found: Any = (await response.json(content_type=None))["supabase"]
            return Project(str(found["url"]), str(found["publishable_key"])) if found else None
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise ServiceUnreachable(f"nothing of ours answers at {url}") from error
