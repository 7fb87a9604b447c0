"""E-mail addresses, as Supabase Auth takes them."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

LONGEST: Final = 255
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# what browsers and Supabase Auth hold an address to be, and with a dot in its domain: there are no others to write to
_ADDRESS: Final = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+")


def normalized(value: Any) -> str | None:
    """In lower case, as Supabase Auth keeps it; None for what is no address."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    email = value.strip().lower()
    return email if len(email) <= LONGEST and _ADDRESS.fullmatch(email) else None


def digest(email: str, run: str) -> bytes:
    """By which the ledger knows an address without holding it; another run's is another one."""
    return hashlib.blake2b(email.lower().encode("utf-8", "replace"), digest_size=16, key=run.encode()[:64]).digest()
