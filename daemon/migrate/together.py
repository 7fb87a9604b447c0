"""Many calls at the same time, of which one failing ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from daemon.errors import ProEngineError

Result = TypeVar("Result")


async def together(calls: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What each returns, in their order. Raises the first of our errors, after the others were cancelled: what they had
    begun stands in the ledger, as after a kill.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except* ProEngineError as failed:
        first = failed.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise first
