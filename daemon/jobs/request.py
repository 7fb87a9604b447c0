"""What stands for a request: its name, its picture's place."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.store.files import UPLOADS


@dataclass(frozen=True)
class Request:
    """Who asks, and by what name the same request may be asked again."""

    owner: str
    idempotency_key: str | None
    fingerprint: str


def upload_path(image_hash: str) -> str:
    """Where a picture that came in lies, relative to the cache folder."""
    return f"{UPLOADS}/{image_hash}"
