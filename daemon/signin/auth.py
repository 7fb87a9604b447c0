"""Signing in to a project: the calls of Supabase Auth's HTTP API that a command line needs.

Of the client library's session handling too little serves here: it has no lock around a refresh, and forgets a session
that it could not renew while it was offline.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from daemon.accounts.project import RETRY_SECONDS, Project, ProjectHttp
from daemon.errors import AuthUnavailable, SignInRefused
from daemon.signin.session import Session, from_answer

GRANT: Final = "/auth/v1/token?grant_type="


class Auth:
    """Of one project, over connections that are open."""

    def __init__(self, project: Project, http: ProjectHttp) -> None:
        self._project = project
        self._http = http

    async def with_password(self, email: str, password: str) -> Session:
        """Raises SignInRefused, AuthUnavailable."""
        return await self._session(f"{GRANT}password", {"email": email, "password": password})

    async def send_code(self, email: str) -> None:
        """Have a code sent by mail to a user that there is.

        Raises:
            SignInRefused: there is none, or too many were asked for.
            AuthUnavailable: the project is out of reach.
        """
        await self._post("/auth/v1/otp", {"email": email, "create_user": False})

    async def with_code(self, email: str, code: str) -> Session:
        """Raises SignInRefused, AuthUnavailable."""
        return await self._session("/auth/v1/verify", {"type": "email", "email": email, "token": code})

    async def renew(self, session: Session) -> Session:
        """A new session for an old one, whose refresh token is good no more after that.

        Raises:
            SignInRefused: the project does not take it: the user has to sign in again.
            AuthUnavailable: the project is out of reach, and the session as good as it was.
        """
        return await self._session(f"{GRANT}refresh_token", {"refresh_token": session.refresh_token})

    async def sign_out(self, session: Session) -> None:
        """Have the project forget this session, and no other of hers. Raises AuthUnavailable."""
        await self._http.post("/auth/v1/logout?scope=local", {}, session.access_token)

    async def _session(self, path: str, body: Mapping[str, Any]) -> Session:
        session = from_answer(self._project.url, await self._post(path, body), time.time())
        if session is None:
            raise AuthUnavailable("the project answers with no session", retry_after=RETRY_SECONDS)
        return session

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        status, answer = await self._http.post(path, body)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise AuthUnavailable(f"the project answers {status}", retry_after=RETRY_SECONDS)
        if status >= HTTPStatus.BAD_REQUEST:
            raise SignInRefused(_reason(answer) or f"the project answers {status}")
        return answer


def _reason(answer: Any) -> str:
    """In the words of the project, which has had three ways to say it."""
    if not isinstance(answer, Mapping):
        return ""
    return str(answer.get("msg") or answer.get("error_description") or answer.get("message") or "")
