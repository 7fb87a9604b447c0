"""Ids: the old ones in one form, and the new ones, which are the same however often they are made."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any, Final

_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_NIL: Final = uuid.UUID(int=0)


def legacy_key(value: Any) -> str | None:
    """An old id as text, whichever of SQLite's types it has; None for what is none.

    A column of one table may hold as number what another one holds as text, and UUIDs are written in several ways.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        value = str(uuid.UUID(bytes=value)) if len(value) == 16 else value.decode("utf-8", "replace")  # noqa: PLR2004
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    return str(uuid.UUID(text)) if _UUID.fullmatch(text) else text or None


def user_id(project: str, key: str) -> bytes:
    """A user's id in the project: her old one where that is a UUID, else one of the shape of version 4, which is what
    Supabase Auth asks for, made from the project's address and the old id.
    """
    if _UUID.fullmatch(key) and (known := uuid.UUID(key)) != _NIL:
        return known.bytes
    return fresh_user_id(project, key)


def fresh_user_id(project: str, key: str) -> bytes:
    """As `user_id`, for one whose old UUID is taken by somebody else."""
    return _shaped(project, "users", key)


def event_id(project: str, table: str, key: str) -> bytes:
    """The id by which a row of usage counts once."""
    return _shaped(project, table, key)


def _shaped(*parts: str) -> bytes:
    # a file may hold text that is none: such bytes stay told apart here
    digest = bytearray(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def as_text(identity: bytes) -> str:
    """In the form that the project writes. `uuid.UUID` does it as well, in five times the time."""
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def as_bytes(text: str) -> bytes:
    """Raises ValueError for what is no UUID."""
    return uuid.UUID(text).bytes
