"""Pairings: pages that the user let in, each by a token that works for its Origin alone and can be revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from daemon.accounts.caller import Caller
from daemon.accounts.digest import digest
from daemon.accounts.pairing_requests import DENIED, Answer, PairingRequests
from daemon.errors import InvalidToken, NotFound, PairingDenied, ProEngineError
from daemon.store import pairings
from daemon.store.database import Database
from daemon.store.pairings import Pairing

USE_SECONDS: Final = 60.0  # a use is noted once in so many seconds
log = structlog.get_logger(__name__)


class Pairings:
    """All live pairings by the hash of their tokens, so that a request is let in or not without a wait.

    The store has them for the next start; `requests` are the pages that ask still.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        steady: Callable[[], float],
        random: Callable[[int], bytes],
        *,
        is_open: bool = True,
    ) -> None:
        self.requests = PairingRequests(clock, steady, random)
        self.is_open = is_open  # to pages that are not paired yet
        self._database = database
        self._clock = clock
        self._random = random
        self._live: dict[str, Pairing] = {}
        self._shut_out: set[str] = set()  # ids of those that are revoked, and in the store not yet
        self._claiming = asyncio.Lock()
        self._notes: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """At start, before anybody asks."""
        found = await self._database.read(pairings.live)
        self._live = {pairing.token_hash: pairing for pairing in found}

    async def close(self) -> None:
        """Let what was noted reach the store."""
        await asyncio.gather(*self._notes)

    def caller(self, token: str, origin: str | None) -> Caller | None:
        """Who a bearer is; None for one that is no pairing's.

        Raises:
            InvalidToken: it is the token of another Origin than the request's, or of a page, and no page sent it.
        """
        pairing = self._live.get(digest(token).hex())
        if pairing is None or pairing.id in self._shut_out:
            return None
        if origin != pairing.origin:
            raise InvalidToken("this access token works for the page that it was given to, and for no other")
        self._note_use(pairing)
        return Caller(pairing.origin, pairing=pairing.id)

    def granted(self) -> list[Pairing]:
        """Oldest first."""
        return list(self._live.values())

    def is_shut_out(self, owner: str) -> bool:
        """Whether jobs of this owner are a page's that is paired no more."""
        if "://" not in owner:
            return False
        return not any(one.origin == owner and one.id not in self._shut_out for one in self._live.values())

    async def claim(self, request_id: str, secret: str, origin: str) -> str | None:
        """The token of a page that was approved, for the first and only time; None while the user has not answered.

        The token is made here and kept by nobody but the page. Where the store fails, the page may try again.

        Raises:
            InvalidToken, PairingDenied, PairingExpired: as `PairingRequests.of_page`.
            DiskFull, StoreBusy: it could not be kept.
        """
        async with self._claiming:  # two claims at once: the later one finds the token claimed
            request = self.requests.of_page(request_id, secret, origin)
            if request.answer is not Answer.APPROVED:
                return None
            token = self._random(32).hex()
            pairing = Pairing(request.id, origin, request.name, digest(token).hex(), self._clock())
            await self._database.transact(lambda c: pairings.insert(c, pairing))
            if request.is_denied:  # meanwhile
                await self._database.transact(lambda c: pairings.revoke(c, pairing.id, self._clock()))
                raise PairingDenied(DENIED)
            self.requests.drop(request)
            self._live[pairing.token_hash] = pairing
        log.info("page_paired", origin=origin, pairing=pairing.id)
        return token

    async def revoke(self, pairing_id: str) -> Pairing:
        """Shut a page out for good. Once more changes nothing.

        Raises:
            NotFound: there is no such pairing.
            DiskFull, StoreBusy: it is shut out, but would be let in after the next start: it is to be revoked again.
        """
        self._shut_out.add(pairing_id)  # from this very moment on
        revoked = await self._database.transact(lambda c: pairings.revoke(c, pairing_id, self._clock()))
        self._shut_out.discard(pairing_id)
        if revoked is None:
            raise NotFound("there is no such pairing")
        self._live.pop(revoked.token_hash, None)
        log.info("page_shut_out", origin=revoked.origin, pairing=revoked.id)
        return revoked

    async def find(self, pairing_id: str) -> Pairing | None:
        """A pairing, a revoked one too for a while."""
        return await self._database.read(lambda c: pairings.get(c, pairing_id))

    def _note_use(self, pairing: Pairing) -> None:
        """Once a minute, by and by: a request does not wait for the disk."""
        now = self._clock()
        if pairing.last_used_at is not None and abs(now - pairing.last_used_at) < USE_SECONDS:
            return
        self._live[pairing.token_hash] = replace(pairing, last_used_at=now)
        note = asyncio.get_running_loop().create_task(self._write_use(pairing.id, now))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _write_use(self, pairing_id: str, at: float) -> None:
        try:
            await self._database.transact(partial(pairings.note_use, pairing_id=pairing_id, at=at))
        except ProEngineError as error:
            log.warning("pairing_use_not_noted", pairing=pairing_id, reason=error.message)
