"""The access token of whoever has signed in on this machine, renewed in time and by one program at a time."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from daemon.accounts.project import Project, ProjectHttp
from daemon.errors import AccessTokenRequired, AuthUnavailable, SignInRefused
from daemon.signin.auth import Auth
from daemon.signin.keeping import Keeping
from daemon.signin.session import Session

LOOK_SECONDS: Final = 0.02
SIGN_IN: Final = "nobody has signed in on this machine: `pro-engine login`"
SIGN_IN_AGAIN: Final = "the project wants you to sign in again: `pro-engine login`"


async def access_token(project: Project, keeping: Keeping, lock_file: Path, refused: str | None = None) -> str:
    """A token that is good for a minute at least, and another one than `refused`.

    Raises:
        AccessTokenRequired: nobody has signed in, or not to this project, or has to do so again.
        AuthUnavailable: it has to be renewed, and the project is out of reach; the session is kept.
    """
    session = _session(project, keeping)
    if _serves(session, refused):
        return session.access_token
    async with _locked(lock_file):
        session = _session(project, keeping)  # another program may have renewed it while we waited
        if _serves(session, refused):
            return session.access_token
        async with opened_auth(project) as auth:
            renewed = await _renewed(auth, session)
        await asyncio.to_thread(keeping.save, renewed)
        return renewed.access_token


def _session(project: Project, keeping: Keeping) -> Session:
    session = keeping.load()
    if session is None or session.url != project.url:
        raise AccessTokenRequired(SIGN_IN)
    return session


def _serves(session: Session, refused: str | None) -> bool:
    return session.access_token != refused and session.is_good_at(time.time())


async def _renewed(auth: Auth, session: Session) -> Session:
    try:
        renewed = await auth.renew(session)
    except SignInRefused as error:
        raise AccessTokenRequired(f"{SIGN_IN_AGAIN} ({error.message})") from error
    except AuthUnavailable:
        if time.time() < session.expires_at:
            return session
        raise
    if renewed.user != session.user:
        raise AccessTokenRequired(SIGN_IN_AGAIN)
    return renewed


@asynccontextmanager
async def opened_auth(project: Project) -> AsyncIterator[Auth]:
    http = ProjectHttp(project)
    await http.open()
    try:
        yield Auth(project, http)
    finally:
        await http.close()


@asynccontextmanager
async def _locked(file: Path) -> AsyncIterator[None]:
    """A refresh token is good once: two programs that use it at the same time are both signed out.

    The kernel has no way to wait for a lock on an event loop; threads that wait would keep it from those that save.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(fd):  # noqa: ASYNC110, another process cannot set an event of ours
            await asyncio.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
