"""`pro-engine logout`: sign out on this machine."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from daemon import settings
from daemon.cli.project import find_project
from daemon.errors import ProEngineError
from daemon.signin.keeping import keeping_for
from daemon.signin.signed_in import opened_auth


def logout(_: argparse.Namespace) -> int:
    """Here at once; the project hears of it if it can. Events that wait for a token wait on."""
    keeping = keeping_for(settings.folders(os.environ).session)
    session = keeping.load()
    if session is None:
        print("Nobody is signed in on this machine.")
        return 0

    async def tell() -> None:
        project = await find_project()
        if project.url == session.url:
            async with opened_auth(project) as auth:
                await auth.sign_out(session)

    try:
        asyncio.run(tell())
    except ProEngineError as error:
        sys.stderr.write(f"pro-engine: the project could not be told: {error.message}\n")
    keeping.forget()
    print(f"{session.email} is signed out.")
    return 0
