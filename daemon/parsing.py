"""The text of a setting turned into its value. Each raises ValueError where it is none."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")
Number = TypeVar("Number", int, float)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers in these limits, written in plain digits: `1_000` and `+5` are slips."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        value = int(text)
        if value < least or (most is not None and value > most):
            raise ValueError(text)
        return value

    return parse


def number(most: float) -> Callable[[str], float]:
    """A parser of numbers above 0 and up to `most`."""

    def parse(text: str) -> float:
        value = float(text)
        if not 0 < value <= most:  # true of NaN
            raise ValueError(text)
        return value

    return parse


def times(parse: Callable[[str], Number], factor: int) -> Callable[[str], Number]:
    """The same in a smaller unit, of which `factor` make one that a person writes."""
    return lambda text: parse(text) * factor


def or_nothing(parse: Callable[[str], Value], nothing: Value) -> Callable[[str], Value]:
    """The same of a setting that may be left unset."""
    return lambda text: parse(text) if text else nothing


def folder(text: str) -> Path:
    return Path(text).absolute()


def absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(text)
    return path


def address(text: str) -> str:
    """No names: `localhost` may mean ::1 to a client and 127.0.0.1 to us, and then it reaches a stranger."""
    return str(ipaddress.ip_address(text))


def flag(text: str) -> bool:
    if text not in {"0", "1", "false", "true"}:
        raise ValueError(text)
    return text in {"1", "true"}


def fds(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    if not words:
        raise ValueError(text)
    return words


def origins(text: str) -> tuple[str, ...]:
    origins = words(text)
    if not all(origin.startswith(("http://", "https://")) and origin.count("/") == 2 for origin in origins):  # noqa: PLR2004
        raise ValueError(text)
    return origins


def log_format(text: str) -> Literal["auto", "json", "pretty"]:
    if text == "json":
        return "json"
    if text == "pretty":
        return "pretty"
    if text == "auto":
        return "auto"
    raise ValueError(text)


def project_url(text: str) -> str:
    """Without a slash at the end. Tokens go there, so it is encrypted, unless it is on this machine."""
    parts = urlsplit(text)
    own = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or own) or parts.query or parts.fragment or parts.username:
        raise ValueError(text)
    return text.rstrip("/")


def publishable_key(text: str) -> str:
    """One that anybody may know: before a secret one no policy of the project holds."""
    if text.startswith("sb_secret_") or _role(text) not in {None, "anon"}:
        raise ValueError("a secret key")
    return text


def _role(key: str) -> object:
    """Of a legacy key, which is a JWT; None for one that is none."""
    parts = key.split(".")
    if len(parts) != 3:  # noqa: PLR2004, head, claims and signature
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:  # binascii's is one
        return None
    return claims.get("role", "none") if isinstance(claims, Mapping) else None
