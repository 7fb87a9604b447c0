"""Files that only their user may read: tokens, secrets, sessions."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole under another name first: a kill leaves the file as it was. Raises OSError."""
    temp = path.with_suffix(".new")
    temp.unlink(missing_ok=True)
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fchmod(fd, mode)  # not at the opening: the umask would take the group's part away
        os.fsync(fd)
    temp.replace(path)
