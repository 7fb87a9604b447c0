"""`pro-engine open`: the service's own page, in the browser, logged in."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import webbrowser

from daemon import settings
from daemon.client import connect


def open(options: argparse.Namespace) -> int:  # noqa: A001, a command is the function of its name
    """Exit 1 where no browser can be started; the address is printed then.

    Raises:
        ServiceUnreachable: there is no service.
    """
    url = asyncio.run(_address())
    if options.print:
        print(url)
        return 0
    if webbrowser.open(url):
        return 0
    print(url)
    sys.stderr.write("pro-engine: no browser can be started here; open this address within a minute, it works once\n")
    return 1


async def _address() -> str:
    """With a code that logs in once, and not with the token: an address is kept in histories and lists of processes."""
    async with connect(settings.folders(os.environ)) as client:
        made = await client.ask("POST", "/api/login-codes")
        return f"{client.url}/#{made['code']}"
