"""From nothing to a listener that is ours: lock, what a dead supervisor left, an eviction, the port. In this order."""

from __future__ import annotations

from collections.abc import MutableMapping
from random import Random

import structlog

from supervisor.evict import evict
from supervisor.inherited import take_inherited
from supervisor.lock import take_lock
from supervisor.log import say
from supervisor.settings import Settings
from supervisor.socket import Listener, open_listener
from supervisor.squatters import find_squatters
from supervisor.stale import clear_by_ledger, clear_stale_daemon

log = structlog.get_logger()


async def open_for(settings: Settings, environ: MutableMapping[str, str], random: Random) -> Listener:
    """The listener that this run serves.

    Raises:
        AlreadyRunning: another supervisor has this state folder.
        StartError: no address can be had, the folder cannot be written, an eviction is refused.
    """
    inherited = take_inherited(environ)
    await take_lock(settings.state_dir)
    if await clear_stale_daemon(settings.state_dir):
        log.warning("stale_daemon_cleared")
    if settings.evict is not None:
        await evict(settings.evict, settings.host, settings.port)
    listener = await open_listener(
        settings.host,
        settings.port,
        random=random,
        inherited=inherited,
        clear_ours=lambda: clear_by_ledger(settings.state_dir),
    )
    if listener.fell_back:
        _say_port_taken(listener)
    await _warn_of_squatters(listener)
    log.info("listening", host=listener.host, port=listener.port, inherited=listener.inherited)
    return listener


def holders_of_wanted_port(listener: Listener) -> tuple[str, ...]:
    """In words; empty where we have the port that was wanted."""
    if not listener.fell_back:
        return ()
    return tuple(str(holder) for holder in listener.taken_by) or ("an open connection",)


def _say_port_taken(listener: Listener) -> None:
    holders = holders_of_wanted_port(listener)
    log.warning("port_taken", wanted=listener.wanted_port, using=listener.port, holders=list(holders))
    say(f"Port {listener.wanted_port} is held by {' and '.join(holders)}; using {listener.port} instead.")


async def _warn_of_squatters(listener: Listener) -> None:
    squatters = await find_squatters(listener.sock, listener.extra)
    if squatters:
        names = [str(squatter) for squatter in squatters]
        log.warning("port_shared_with_a_stranger", port=listener.port, strangers=names)
        say(f"localhost:{listener.port} may reach {' and '.join(names)}; the address of Pro Engine is {listener.host}.")
