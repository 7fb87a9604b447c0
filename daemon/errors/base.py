"""The root of the tree."""

from __future__ import annotations

from typing import Any, ClassVar


class ProEngineError(Exception):
    """Something a caller can be told: a stable code, a sentence, and further members for the problem document."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
