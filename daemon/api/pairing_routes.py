"""The routes of pairing, of logging in, and of the service's own page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.api import login, page, pairings
from daemon.api.route import Access, Answer, Media, Route
from daemon.api.wire.pairings import (
    ApproveAsk,
    ClaimAsk,
    LoginAsk,
    LoginCode,
    LoginToken,
    PairingAsk,
    PairingAsked,
    PairingOut,
    PairingPending,
    PairingsOut,
    PairingToken,
)
from daemon.errors import (
    DiskFull,
    InvalidToken,
    NotFound,
    OriginNotAllowed,
    PairingDenied,
    PairingExpired,
    PairingOff,
    StoreBusy,
    TooManyPairings,
    UploadTooLarge,
    WrongPairingCode,
)

ETAG: Final = {"ETag": "of this very file"}
IF_NONE_MATCH: Final = {"If-None-Match": "an `ETag` that you have"}

PAIRING: Final = {"id": "of the request, and of the pairing that it becomes"}

PAIRING_ROUTES: Final[Sequence[Route]] = (
    Route(
        "POST",
        "/api/pairings",
        pairings.ask,
        "A page of a listed Origin asks to be let in. The user compares its code, and approves or denies.",
        Access.OPEN,
        {202: Answer("It waits for the user, five minutes.", PairingAsked)},
        body=PairingAsk,
        headers={"Origin": "The page's, which browsers send by themselves."},
        errors=(PairingOff, OriginNotAllowed, TooManyPairings, UploadTooLarge),
    ),
    Route(
        "POST",
        "/api/pairings/{id}/claim",
        pairings.claim,
        "The page comes for its token, which works for its Origin alone and is told once.",
        Access.OPEN,
        {200: Answer("The user approved.", PairingToken), 202: Answer("The user has not answered.", PairingPending)},
        body=ClaimAsk,
        headers={
            "Origin": "The page's, which browsers send by themselves.",
            "Prefer": "`wait=N`: hold the answer until the user has answered, for at most N of 60 seconds.",
        },
        errors=(
            *(OriginNotAllowed, InvalidToken, PairingDenied, PairingExpired),
            *(UploadTooLarge, StoreBusy, DiskFull),
        ),
        variables=PAIRING,
    ),
    Route(
        "GET",
        "/api/pairings",
        pairings.list_pairings,
        "The pages that ask to be let in, and those that were.",
        Access.ADMIN,
        {200: Answer("As they are now.", PairingsOut)},
    ),
    Route(
        "POST",
        "/api/pairings/{id}/approve",
        pairings.approve,
        "Let a page in. Once more changes nothing.",
        Access.ADMIN,
        {200: Answer("It may come for its token, or has it.", PairingOut)},
        body=ApproveAsk,
        errors=(NotFound, WrongPairingCode, PairingDenied, UploadTooLarge),
        variables=PAIRING,
    ),
    Route(
        "POST",
        "/api/pairings/{id}/deny",
        pairings.deny,
        "Send a page away. One that has its token already loses it.",
        Access.ADMIN,
        {200: Answer("It gets no token, or has lost it.", PairingOut)},
        errors=(NotFound, StoreBusy, DiskFull),
        variables=PAIRING,
    ),
    Route(
        "DELETE",
        "/api/pairings/{id}",
        pairings.revoke,
        "Take a page's access away at once. Its sockets are closed and its jobs cancelled.",
        Access.ADMIN,
        {200: Answer("It is let in no more. Once more changes nothing.", PairingOut)},
        errors=(NotFound, StoreBusy, DiskFull),
        variables=PAIRING,
    ),
    Route(
        "POST",
        "/api/login-codes",
        login.make_code,
        "A code by which a browser of the same user opens the service's own page, once, within a minute.",
        Access.ADMIN,
        {201: Answer("It goes behind the `#` of the page's address.", LoginCode)},
    ),
    Route(
        "POST",
        "/api/login",
        login.log_in,
        "The service's own page logs in by a code.",
        Access.OPEN,
        {200: Answer("The code is used up.", LoginToken)},
        body=LoginAsk,
        headers={"Origin": "The service's own, which browsers send by themselves."},
        errors=(OriginNotAllowed, InvalidToken, UploadTooLarge),
    ),
    Route(
        "GET",
        "/",
        page.index,
        "The service's own page.",
        Access.OPEN,
        {200: Answer("It.", Media(("text/html",)), ETAG), 304: Answer("You have it already.")},
        headers=IF_NONE_MATCH,
    ),
    Route(
        "GET",
        "/page/{name}",
        page.asset,
        "What the page consists of.",
        Access.OPEN,
        {
            200: Answer("It.", Media(("text/css", "text/javascript", "image/svg+xml")), ETAG),
            304: Answer("You have it already."),
        },
        headers=IF_NONE_MATCH,
        errors=(NotFound,),
        variables={"name": "of the file"},
    ),
)
