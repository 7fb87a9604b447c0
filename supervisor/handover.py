"""A planned restart: the next daemon stands by before the present one goes; the kernel passes the lock between them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from supervisor.life import Life, sentence


class StandbyFailed(Exception):
    """The next daemon cannot run; the present one stays. The message says why, for a person."""


async def hand_over(current: Life, standby: Life, deadline: float) -> None:
    """Return when the present daemon has ended and the standby has its turn.

    The standby has read its settings and imported its code by then, so nothing is risked that can be known before.
    It waits for `store.lock`, which the present daemon's end gives it, whether that was asked for or a crash.

    Raises:
        StandbyFailed: it ended before the present daemon was asked to go.
    """
    await first_of(standby.standing_by.wait(), standby.ended())
    # one that still starts has nobody yet to hear the signal
    await first_of(current.ready.wait(), current.ended(), standby.ended())
    if standby.over:
        raise StandbyFailed(sentence(await standby.ended()))
    current.hand_over(deadline)
    await current.ended()
    standby.go()


async def first_of(*waits: Coroutine[Any, Any, Any], seconds: float | None = None) -> None:
    """Wait until one is over, or for so many seconds; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
