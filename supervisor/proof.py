"""The answer to a client's challenge while no daemon is there to give it: the secret is read from the state folder."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

SECRET_NAME = "secret"  # noqa: S105  the name of the file


def prove(state_dir: Path, challenge: str, port: int) -> str | None:
    """HMAC-SHA256 over challenge, pid and port, as the daemon gives it; None before a daemon has made the secret."""
    try:
        secret = (state_dir / SECRET_NAME).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    text = f"challenge|{challenge}|{os.getpid()}|{port}"
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
