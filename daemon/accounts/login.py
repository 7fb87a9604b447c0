"""Codes by which `pro-engine open` lets the service's own page in.

A code goes through the address of a page, and so through the command line of a browser, where other users of the
machine can read it. It is therefore not the token, works once, for a minute, and only for the user who asked for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from daemon.accounts.digest import digest
from daemon.errors import InvalidToken

CODE_SECONDS: Final = 60.0
MOST_CODES: Final = 20
ROOT: Final = 0  # reads every token anyway; and connections that are forwarded into a virtual machine come from it
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Code:
    deadline: float
    uid: int | None


class LoginCodes:
    """Codes that were given and not used yet, by their hash: a look-up tells nothing by how long it takes."""

    def __init__(self, steady: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._steady = steady
        self._random = random
        self._codes: OrderedDict[bytes, _Code] = OrderedDict()

    def make(self, uid: int | None) -> str:
        """A code for a browser of this user; None where it is not known which one asks."""
        while len(self._codes) >= MOST_CODES:
            self._codes.popitem(last=False)
        code = self._random(16).hex()
        self._codes[digest(code)] = _Code(self._steady() + CODE_SECONDS, uid)
        return code

    def redeem(self, code: str, uid: int | None) -> None:
        """Use a code up.

        Raises:
            InvalidToken: it was used, is too old or none of ours, or another user has come by it.
        """
        found = self._codes.pop(digest(code), None)
        if found is None or found.deadline <= self._steady():
            raise InvalidToken("this link was used already, or is older than a minute")
        if uid not in {found.uid, ROOT} and uid is not None and found.uid is not None:
            log.warning("login_by_another_user", uid=uid, asked_by=found.uid)
            raise InvalidToken("this link was made for another user of this machine")
