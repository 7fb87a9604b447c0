"""The public keys that a project signs its users' tokens with (JWKS, RFC 7517), kept fresh and kept for bad times."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from daemon.accounts.project import RETRY_SECONDS, ProjectHttp
from daemon.errors import AuthUnavailable, InvalidToken

if TYPE_CHECKING:
    from jwt import PyJWK

PATH: Final = "/auth/v1/.well-known/jwks.json"
OK: Final = 200
ALGORITHMS: Final = ("ES256", "RS256")  # both are public-key ones: HS256's key would have to be on this machine
FRESH: Final = 600.0  # seconds; the project's own edge keeps them as long
AGAIN: Final = 30.0  # between two tries, so that forged key ids cannot make us hammer the project
STALE: Final = 12 * 3600.0  # for how long a revoked key may live on while the project is out of reach
NONSENSE: Final = (TypeError, KeyError, ValueError, AttributeError)  # of what should be a set of keys
log = structlog.get_logger(__name__)


class SigningKeys:
    """Keys by their id. `keep` renews them; who asks for a key waits for that only where it is not known.

    The newest are in a file, for a start while the project is out of reach.
    """

    def __init__(self, http: ProjectHttp, file: Path, steady: Callable[[], float], clock: Callable[[], float]) -> None:
        self._http = http
        self._file = file
        self._steady, self._clock = steady, clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched: float | None = None  # on the steady clock
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    @property
    def reached(self) -> bool:
        """Whether the keys are as fresh as they should be."""
        return self._younger_than(FRESH + AGAIN)

    @property
    def none_published(self) -> bool:
        """Whether the project is one of before signing keys: it signs with a secret that nobody else has."""
        return self._younger_than(STALE) and not self._keys

    def load(self) -> None:
        """From the file, if it has something to say."""
        try:
            kept = json.loads(self._file.read_text())
            age = max(self._clock() - float(kept["fetched_at"]), 0.0)
            self._keys = _keys_of(kept)
        except (OSError, *NONSENSE):
            return
        self._fetched = self._steady() - age

    async def keep(self) -> None:
        """Renew them until cancelled."""
        while True:
            async with self._lock:
                await self._fetch()
            await asyncio.sleep(FRESH if self.reached else AGAIN)

    async def find(self, key_id: str) -> PyJWK:
        """The key of that id.

        Raises:
            InvalidToken: the project has no such key.
            AuthUnavailable: it cannot be asked.
        """
        if (key := self._known(key_id)) is not None:
            return key
        async with self._lock:  # one question, however many wait for its answer
            if (key := self._known(key_id)) is not None:
                return key
            if self._tried is None or self._steady() - self._tried >= AGAIN:
                await self._fetch()
        if (key := self._known(key_id)) is not None:
            return key
        if not self.reached:
            why = "the project of your account cannot be reached, and its keys are not known here"
            raise AuthUnavailable(why, retry_after=RETRY_SECONDS)
        raise InvalidToken("the access token is signed by a key that the project does not have")

    def _known(self, key_id: str) -> PyJWK | None:
        return self._keys.get(key_id) if self._younger_than(STALE) else None

    def _younger_than(self, seconds: float) -> bool:
        return self._fetched is not None and self._steady() - self._fetched < seconds

    async def _fetch(self) -> None:
        self._tried = self._steady()
        try:
            status, found = await self._http.get(PATH)
            keys = _keys_of(found)
        except (AuthUnavailable, *NONSENSE) as error:
            log.warning("signing_keys_not_fetched", reason=str(error))
            return
        if status != OK:
            log.warning("signing_keys_not_fetched", reason=f"the project answers {status}")
            return
        self._keys, self._fetched = keys, self._steady()
        self._save(found)

    def _save(self, found: Any) -> None:
        temp = self._file.with_suffix(".new")
        try:
            temp.write_text(json.dumps({"keys": found["keys"], "fetched_at": self._clock()}))
            temp.replace(self._file)
        except OSError as error:
            log.warning("signing_keys_not_saved", reason=str(error))


def _keys_of(found: Any) -> dict[str, PyJWK]:
    """Those that sign tokens by a method that we take; what else a project publishes is passed over."""
    from jwt import PyJWK, PyJWTError

    keys: dict[str, PyJWK] = {}
    for one in found["keys"]:
        if one.get("alg") in ALGORITHMS and one.get("use", "sig") == "sig" and isinstance(one.get("kid"), str):
            try:
                keys[one["kid"]] = PyJWK.from_dict(one)
            except PyJWTError as error:
                log.warning("signing_key_not_usable", key=one["kid"], reason=str(error))
    return keys
