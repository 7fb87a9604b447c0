"""Where the users go, and the key that may put them there: from the environment, and kept nowhere."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from daemon.errors import WrongSettings

KEYS: Final = ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Destination:
    """A project's address without a slash at the end, and its secret key."""

    url: str
    key: str = field(repr=False)


def destination(environment: Mapping[str, str]) -> Destination:
    """Raises WrongSettings where it is not there, or not a secret key; the key is never repeated."""
    url = environment.get("SUPABASE_URL", "").strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WrongSettings("SUPABASE_URL has the project's address, such as https://abcdefgh.supabase.co")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise WrongSettings("SUPABASE_URL begins with https://: over http:// anybody on the way reads the secret key")
    key = next((found for name in KEYS if (found := environment.get(name, "").strip())), "")
    if not key:
        raise WrongSettings(f"{KEYS[0]} has the project's secret key; it is taken from the environment only")
    if key.startswith("sb_publishable_") or _role(key) in {"anon", "authenticated"}:
        raise WrongSettings(
            f"{KEYS[0]} holds a publishable key, which cannot make users: "
            "the secret one (sb_secret_…) is on the project's page of API keys"
        )
    return Destination(url, key)


def _role(key: str) -> str | None:
    """Of a key in the old form, which is a token."""
    parts = key.split(".")
    if len(parts) != 3:  # noqa: PLR2004
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return str(claims["role"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
