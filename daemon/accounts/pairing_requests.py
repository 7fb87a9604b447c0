"""Pages that ask to be let in, until the user has answered. In memory: who asks lasts no longer than the user looks."""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from daemon.accounts.digest import digest
from daemon.errors import InvalidToken, NotFound, PairingDenied, PairingExpired, TooManyPairings, WrongPairingCode

ASK_SECONDS: Final = 300.0
CLAIM_SECONDS: Final = 60.0  # that a page has from the approval on, at least
MOST_OF_AN_ORIGIN: Final = 3
MOST: Final = 20
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 signs; 0, 1, I and O are not among them
CODE_LENGTH: Final = 6
MOST_NAME: Final = 64
DENIED: Final = "the user did not allow it"


class Answer(StrEnum):
    """What became of a request."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(eq=False)
class PairingRequest:
    """One page that asks. Its secret is the page's alone; its code is for the user to compare."""

    id: str
    origin: str
    name: str
    code: str
    secret_hash: bytes = field(repr=False)
    created_at: float  # seconds since the epoch, to show
    deadline: float  # on the clock of lifetimes
    answer: Answer = Answer.PENDING
    answered: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def is_denied(self) -> bool:
        return self.answer is Answer.DENIED

    def settle(self, answer: Answer) -> None:
        self.answer = answer
        self.answered.set()


class PairingRequests:
    """Takes requests and answers. Bounded: a page can neither fill the memory nor bury the user in questions.

    Lifetimes run on `steady`, which no change of the machine's clock moves; `clock` is for people to read.
    """

    def __init__(self, clock: Callable[[], float], steady: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._steady = steady
        self._random = random
        self._requests: dict[str, PairingRequest] = {}

    def ask(self, origin: str, name: str) -> tuple[PairingRequest, str]:
        """A new request, and the secret by which the page claims its token.

        Raises:
            TooManyPairings: the answers to earlier ones come first. A denied one counts for its time, or a page could
                ask again and again.
        """
        self._drop_old()
        waiting = list(self._requests.values())
        self._require_room([request for request in waiting if request.origin == origin], MOST_OF_AN_ORIGIN)
        self._require_room(waiting, MOST)
        secret = self._random(32).hex()
        request = PairingRequest(
            id=self._random(8).hex(),
            origin=origin,
            name=clean_name(name),
            code=self._code({request.code for request in waiting}),
            secret_hash=digest(secret),
            created_at=self._clock(),
            deadline=self._steady() + ASK_SECONDS,
        )
        self._requests[request.id] = request
        return request, secret

    def _require_room(self, waiting: list[PairingRequest], most: int) -> None:
        if len(waiting) >= most:
            first = min(request.deadline for request in waiting)
            raise TooManyPairings(
                "too many requests for access are waiting; answer them, or wait until they expire",
                retry_after=max(1, math.ceil(first - self._steady())),
            )

    def _code(self, taken: set[str]) -> str:
        while True:
            signs = "".join(ALPHABET[byte % len(ALPHABET)] for byte in self._random(CODE_LENGTH))
            code = f"{signs[:3]}-{signs[3:]}"
            if code not in taken:
                return code

    def open(self) -> list[PairingRequest]:
        """Those that wait for the user, or for the page that was let in; oldest first."""
        self._drop_old()
        return [request for request in self._requests.values() if not request.is_denied]

    def find(self, request_id: str) -> PairingRequest | None:
        self._drop_old()
        return self._requests.get(request_id)

    def seconds_left(self, request: PairingRequest) -> float:
        return max(0.0, request.deadline - self._steady())

    def approve(self, request_id: str, code: str | None) -> PairingRequest:
        """Let a page claim its token. Once more changes nothing.

        Raises:
            NotFound: no such request, or not any more.
            WrongPairingCode: it has another code than the one that the user saw.
            PairingDenied: it was denied before.
        """
        request = self._require(request_id)
        if code is not None and not hmac.compare_digest(plain_code(code), plain_code(request.code)):
            raise WrongPairingCode(f"the request of {request.origin} has another code")
        if request.is_denied:
            raise PairingDenied("this request was denied; the page has to ask again")
        if request.answer is Answer.PENDING:
            request.deadline = max(request.deadline, self._steady() + CLAIM_SECONDS)
            request.settle(Answer.APPROVED)
        return request

    def deny(self, request_id: str) -> PairingRequest:
        """Send a page away, also one that was approved and has not come back yet. Once more changes nothing.

        Raises:
            NotFound: no such request, or not any more.
        """
        request = self._require(request_id)
        request.settle(Answer.DENIED)
        return request

    def drop(self, request: PairingRequest) -> None:
        """Forget a request whose token was claimed."""
        self._requests.pop(request.id, None)

    def _require(self, request_id: str) -> PairingRequest:
        request = self.find(request_id)
        if request is None:
            raise NotFound("there is no such request; it may have expired")
        return request

    def of_page(self, request_id: str, secret: str, origin: str) -> PairingRequest:
        """The request of the page that shows its secret from its own Origin, waiting or approved.

        Raises:
            InvalidToken: the secret or the Origin is not the one of this request.
            PairingDenied: the user said no.
            PairingExpired: it is too old, or its token was claimed already, or there never was one.
        """
        request = self.find(request_id)
        if request is None:
            raise PairingExpired("this request is too old, or its token was claimed already; ask again")
        if not hmac.compare_digest(digest(secret), request.secret_hash) or request.origin != origin:
            raise InvalidToken("this request for access is another page's")
        if request.is_denied:
            raise PairingDenied(DENIED)
        return request

    def _drop_old(self) -> None:
        now = self._steady()
        for request in [request for request in self._requests.values() if request.deadline <= now]:
            del self._requests[request.id]
            request.answered.set()


def clean_name(name: str) -> str:
    """What a page calls itself, without anything that could change how the rest of a line is shown."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:MOST_NAME].strip()


def plain_code(code: str) -> bytes:
    """A code as people write it: in either case, with or without its dash."""
    return "".join(code.split()).replace("-", "").upper().encode("utf-8", "replace")
