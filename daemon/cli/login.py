"""`pro-engine login`: sign in to the project that the service works for."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys

from daemon import settings
from daemon.cli.project import find_project
from daemon.errors import SignInRefused
from daemon.signin.auth import Auth
from daemon.signin.keeping import keeping_for
from daemon.signin.session import Session
from daemon.signin.signed_in import opened_auth


def login(options: argparse.Namespace) -> int:
    """With e-mail and password, or with a code that comes by mail.

    Raises:
        WrongSettings: there are no accounts.
        SignInRefused, AuthUnavailable: what the project says.
    """
    session, where = asyncio.run(_login(options))
    print(f"Signed in as {session.email}; the session is kept in {where}.")
    return 0


async def _login(options: argparse.Namespace) -> tuple[Session, str]:
    project = await find_project()
    email = options.email or _asked("E-mail: ")
    async with opened_auth(project) as auth:
        session = await (_by_code(auth, email) if options.code else _by_password(auth, email))
    keeping = keeping_for(settings.folders(os.environ).session)
    await asyncio.to_thread(keeping.save, session)
    return session, keeping.where


async def _by_password(auth: Auth, email: str) -> Session:
    return await auth.with_password(email, _asked("Password: ", hidden=True))


async def _by_code(auth: Auth, email: str) -> Session:
    await auth.send_code(email)
    print(f"A code is on its way to {email}.", flush=True)
    return await auth.with_code(email, _asked("Code: "))


def _asked(question: str, *, hidden: bool = False) -> str:
    """From a person, or a line of standard input."""
    if not sys.stdin.isatty():
        answer = sys.stdin.readline()
    else:
        answer = getpass.getpass(question) if hidden else input(question)
    if not answer.strip():
        raise SignInRefused(f"nothing was given for {question.strip(': ')!r}")
    return answer.rstrip("\n") if hidden else answer.strip()
