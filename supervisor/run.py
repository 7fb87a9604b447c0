"""One run of the supervisor: orders are heard from the first moment, then the listener is opened and served."""

from __future__ import annotations

import asyncio
import os
from collections.abc import MutableMapping
from random import Random

from supervisor.handover import first_of
from supervisor.notify import Notifier
from supervisor.opening import open_for
from supervisor.orders import Orders
from supervisor.settings import Settings
from supervisor.supervisor import Supervisor


async def supervise(settings: Settings, environ: MutableMapping[str, str], random: Random) -> int:
    """One run, from the lock to the last daemon's end; its exit code.

    Raises:
        StartError: there is nothing to supervise, and why.
    """
    notifier, orders = Notifier(environ), Orders()
    pinging = asyncio.create_task(notifier.ping())
    opening = asyncio.create_task(open_for(settings, environ, random))
    try:
        await first_of(asyncio.wait([opening]), orders.stop.wait())
        if not opening.done():
            return os.EX_OK
        supervisor = Supervisor(settings, environ, random, await opening, notifier, orders)
        try:
            return await supervisor.keep_daemon_alive()
        finally:
            supervisor.close()
    finally:
        opening.cancel()
        pinging.cancel()
        notifier.send("STOPPING=1")
