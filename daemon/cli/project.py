"""Which project the command line signs in to: that of the running service, else that of the settings."""

from __future__ import annotations

import os

from daemon import settings
from daemon.accounts.project import Project
from daemon.client import connect
from daemon.client.account import project_of
from daemon.errors import ServiceUnreachable, WrongSettings

NO_ACCOUNTS = "this service has no accounts: nothing is to be signed in to, and `pro-engine upscale` works as it is"


async def find_project() -> Project:
    """Raises WrongSettings where there is none."""
    try:
        async with connect(settings.folders(os.environ)) as client:
            project = await project_of(client.url)
    except ServiceUnreachable:
        found = settings.read()
        project = Project(found.supabase_url, found.supabase_anon_key) if found.supabase_url else None
    if project is None:
        raise WrongSettings(NO_ACCOUNTS)
    return project
