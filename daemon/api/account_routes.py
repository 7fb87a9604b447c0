"""The routes of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.api import usage
from daemon.api.route import Access, Answer, Route
from daemon.api.wire.account import AgainOut, UsageOut
from daemon.errors import DiskFull, NotFound, StoreBusy

ACCOUNT_ROUTES: Final[Sequence[Route]] = (
    Route(
        "GET",
        "/api/usage",
        usage.show_usage,
        "What your account has used and may use. 404 where the service has no accounts.",
        Access.ACCOUNT,
        {200: Answer("As the project counts; while it is out of reach, as it counted last.", UsageOut)},
        errors=(NotFound,),
    ),
    Route(
        "POST",
        "/api/usage/retry",
        usage.send_again,
        "Tell the project once more of the jobs whose usage it has refused: it may have been mended since.",
        Access.ACCOUNT,
        {200: Answer("They wait with the others.", AgainOut)},
        errors=(NotFound, StoreBusy, DiskFull),
    ),
)
