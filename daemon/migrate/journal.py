"""The log of a migration: one JSON object a line, with old ids and counts, and no address, name, key or password."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Journal:
    """Appended to by every step."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, event: str, **fields: Any) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._file.write(json.dumps({"at": stamp, "event": event, **fields}, default=str) + "\n")

    def close(self) -> None:
        self._file.close()
