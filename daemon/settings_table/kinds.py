"""The types that a setting has in TOML, each turned into the text that a variable would have, and back."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

from daemon import parsing

Plain = str | int | float | bool | list[str]


class Kind(Enum):
    """What a value in the file must be, in words."""

    TEXT = "text"
    MAYBE_TEXT = "text, or an empty one for none"
    WORDS = "text, or a list of texts"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TRUTH = "true or false"
    FOLDER = "an absolute path"


def text_of(kind: Kind, value: Any) -> str | None:
    """The text of a value of that kind; None for one that is not. Empty text means that nothing is set."""
    if kind is Kind.WORDS and isinstance(value, list):
        return ",".join(value) if all(_is_text(word) and "," not in word for word in value) else None
    if kind is Kind.MAYBE_TEXT and value == "":
        return ""
    if kind in {Kind.TEXT, Kind.MAYBE_TEXT, Kind.WORDS}:
        return value if _is_text(value) else None
    if kind is Kind.FOLDER:
        return _folder(value) if _is_text(value) else None
    if isinstance(value, bool) or kind is Kind.TRUTH:
        return str(value).lower() if isinstance(value, bool) and kind is Kind.TRUTH else None
    types = (int,) if kind is Kind.WHOLE else (int, float)
    return str(value) if isinstance(value, types) else None


def _is_text(value: Any) -> bool:
    """Whether a variable can have it: one with a null byte could not be handed to a process."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _folder(value: str) -> str | None:
    try:
        folder = Path(value).expanduser()
    except RuntimeError:  # of a user that there is not
        return None
    return str(folder) if folder.is_absolute() else None


def value_of(kind: Kind, text: str) -> Plain:
    """The value of a text that is known to be right, in the unit that it is written in."""
    match kind:
        case Kind.WORDS:
            return list(parsing.words(text)) if text else []
        case Kind.WHOLE:
            return int(text)
        case Kind.NUMBER:
            return float(text)
        case Kind.TRUTH:
            return parsing.flag(text)
        case _:
            return text


def literal(kind: Kind, text: str) -> str:
    """A text that is known to be right, as it stands in a file of TOML."""
    if kind in {Kind.WHOLE, Kind.NUMBER}:
        return text  # as it was written: 24, and not 24.0
    # JSON's strings, lists and truths are TOML's too, but for one letter
    return json.dumps(value_of(kind, text), ensure_ascii=False).replace("\x7f", "\\u007f")
