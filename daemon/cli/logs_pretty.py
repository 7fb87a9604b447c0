"""A line of the log for a person: time, level, event, and every other member as `name=value`.

Whatever a line holds is shown as printable text: what came from outside must not steer the terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from daemon.cli.logs_line import Line

INDENT: Final = "    "
PLAIN: Final = re.compile(r"[^\s\"'={}\[\],]+")
RESET: Final = "\033[0m"
BOLD: Final = "\033[1m"
COLOURS: Final[Mapping[str, str]] = {
    "debug": "\033[2m",
    "info": "\033[32m",
    "warning": "\033[33m",
    "error": "\033[31m",
    "critical": "\033[1;31m",
}
WIDTH: Final = max(map(len, COLOURS))


def pretty(line: Line, *, colours: bool = False) -> str:
    """One line, and those of a traceback below it."""
    words = [] if line.at is None else [_time(line.at)]
    if line.fields is None:
        return " ".join([*words, *([f"{line.sender}:"] if line.sender else []), printable(line.text)])
    rest = dict(line.fields)
    if line.is_stamped:
        del rest["timestamp"]
    if isinstance(level := rest.get("level"), str) and level in COLOURS:
        del rest["level"]
        words.append(_coloured(f"{level:<{WIDTH}}", COLOURS[level], on=colours))
    words.append(_coloured(printable(rest.pop("event")), BOLD, on=colours))
    if below := _traceback(rest.get("exception")):
        del rest["exception"]
    words += _members(rest)
    return "\n".join([" ".join(words), *(INDENT + printable(text) for text in below)])


def as_json(line: Line) -> str:
    """Ours as it was written; a foreign one as an object, so that a program can read them all."""
    if line.fields is not None:
        return line.text
    when = {} if line.at is None else {"timestamp": datetime.fromtimestamp(line.at).astimezone().isoformat()}
    return json.dumps(when | ({"sender": line.sender} if line.sender else {}) | {"foreign": line.text})


def printable(text: str) -> str:
    """With JSON's escapes for what is not."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else json.dumps(c)[1:-1] for c in text)


def _time(at: float) -> str:
    """In this machine's zone, to the millisecond."""
    return datetime.fromtimestamp(at).astimezone().replace(tzinfo=None).isoformat(" ", "milliseconds")


def _coloured(text: str, colour: str, *, on: bool) -> str:
    return f"{colour}{text}{RESET}" if on else text


def _members(rest: Mapping[str, Any]) -> list[str]:
    return [f"{_value(name)}={_value(value)}" for name, value in rest.items()]


def _value(value: Any) -> str:
    """As it is where that is clear, and as JSON otherwise."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.isprintable() and not _is_json(value):
        return value
    return printable(json.dumps(value, ensure_ascii=False))


def _is_json(text: str) -> bool:
    """Whether a text could be taken for a number, or for null."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _traceback(exception: Any) -> list[str]:
    """A traceback as structlog writes it: a text, or what was raised, causes last. Of anything else, nothing."""
    if isinstance(exception, str):
        return exception.splitlines()
    try:
        return [text for number, raised in enumerate(exception) for text in _raised(dict(raised), number)]
    except (TypeError, ValueError, KeyError, AttributeError):
        return []


def _raised(rest: dict[str, Any], number: int) -> Iterator[str]:
    is_cause = rest.pop("is_cause", False)
    if number:
        yield "which was caused by" if is_cause else "raised while handling"
    for frame in rest.pop("frames"):
        further = {name: value for name, value in frame.items() if name not in {"filename", "lineno", "name"}}
        yield " ".join([f"{INDENT}{frame['filename']}:{frame['lineno']} in {frame['name']}", *_members(further)])
    yield f"{rest.pop('exc_type')}: {rest.pop('exc_value')}"
    yield from (INDENT + member for member in _members({name: value for name, value in rest.items() if value}))
