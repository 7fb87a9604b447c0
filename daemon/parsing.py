"""The text of a setting turned into its value. Each raises ValueError where it is none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(text)
    return path


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65_535:  # noqa: PLR2004, the range of ports
        raise ValueError(text)
    return value


def flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(text)
    return text == "1"


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
