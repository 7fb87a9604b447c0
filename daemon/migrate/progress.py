"""How far a step is, for whoever watches."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One stretch of work after the other, each with a known end."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, by: int = 1) -> None: ...


class Unwatched:
    """For who does not watch."""

    def begin(self, what: str, total: int) -> None:
        """Nobody looks."""

    def advance(self, by: int = 1) -> None:
        """Nobody looks."""
