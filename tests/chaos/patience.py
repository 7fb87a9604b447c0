"""Waits with an end, and with a sentence that says what was waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE = 30.0


class Impatient(AssertionError):
    """What was waited for did not come."""


class TooLate(AssertionError):
    """It came in this span of the monotonic clock, not within so many seconds: the service's doing or the machine's."""

    def __init__(self, begin: float, end: float, within: float) -> None:
        super().__init__(f"back after {end - begin:.2f} s, not within {within:g} s")
        self.begin, self.end, self.within = begin, end, within


@asynccontextmanager
async def patience(what: str, within: float | None = None) -> AsyncIterator[None]:
    seconds = PATIENCE if within is None else within
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Impatient(f"{what} did not come within {seconds:g} s") from None
