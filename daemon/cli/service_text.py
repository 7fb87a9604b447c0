"""The texts of units and plists: filled in, signed, and known again.

A text that we wrote carries the hash of itself in its header comment, so that an update replaces what we wrote and
never what somebody edited. Rejected: a list of what was installed kept elsewhere, which a restored backup or a second
installation would make a lie.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final
from xml.sax.saxutils import escape

from daemon.errors import ServiceRefused

UNSIGNED: Final = "@sha256@"
_TAG: Final = re.compile(r"(?<=pro-engine-sha256: )(?:[0-9a-f]{64}|@sha256@)")
_NOT_IN_A_PROGRAM: Final = "\"'\\"  # systemd takes no such path, however it is quoted
_PLACEHOLDER: Final = re.compile(r"@([a-z_]+)@")


class Standing(Enum):
    """How what is found at a path stands to what we would write there."""

    MISSING = "missing"
    CURRENT = "current"  # what we would write, to the letter
    OURS = "ours"  # written by us, unchanged since, from another version or place
    EDITED = "edited"  # written by us, and changed by somebody
    FOREIGN = "foreign"  # never ours


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of `@name@`, and then sign the whole."""
    text = _PLACEHOLDER.sub(lambda found: values[found[1]], template)  # @sha256@ is none: it has figures in it
    return _TAG.sub(_digest(text), text, count=1)


def standing(found: str | None, wanted: str) -> Standing:
    if found is None:
        return Standing.MISSING
    if found == wanted:
        return Standing.CURRENT
    tag = _TAG.search(found)
    if tag is None:
        return Standing.FOREIGN
    unsigned = _TAG.sub(UNSIGNED, found, count=1)
    return Standing.OURS if tag[0] == _digest(unsigned) else Standing.EDITED


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def unit_command(words: Sequence[str]) -> str:
    """A command line as systemd reads it: each word in quotes, for spaces; `%` doubled, for specifiers.

    A `$` stands for itself in the program's own path and is doubled in what follows it.
    """
    if any(letter in words[0] for letter in _NOT_IN_A_PROGRAM):
        raise _cannot_hold(words[0])
    program, *arguments = (_plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in words)
    return " ".join(f'"{word}"' for word in (program, *(word.replace("$", "$$") for word in arguments)))


def plist_strings(words: Sequence[str]) -> str:
    return "\n".join(f"    <string>{escape(_plain(word))}</string>" for word in words)


def plist_string(word: str) -> str:
    return escape(_plain(word))


def _plain(word: str) -> str:
    """What a line of a unit, or a plist, can hold at all."""
    if not word.isprintable():  # false for line ends, and for the surrogates of a path that is no UTF-8
        raise _cannot_hold(word)
    return word


def _cannot_hold(word: str) -> ServiceRefused:
    return ServiceRefused(f"the path {word!r} has a character that no unit can hold; install Pro Engine elsewhere")
