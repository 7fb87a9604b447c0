"""Users of a Supabase project by their access tokens, checked on this machine: claims after the project's documentation
of JWT fields, of which the client library checks few.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.accounts.caller import Caller
from daemon.accounts.digest import digest
from daemon.accounts.project import RETRY_SECONDS, Project, ProjectHttp
from daemon.accounts.signing_keys import ALGORITHMS, OK, SigningKeys
from daemon.accounts.tokens import Tokens
from daemon.errors import AuthUnavailable, InvalidToken

AUDIENCE: Final = "authenticated"
REQUIRED: Final = ("exp", "iat", "sub", "aud", "iss", "role", "session_id")
LEEWAY: Final = 30.0  # seconds by which clocks may differ, as PostgREST has it
LEGACY: Final = "HS256"
USER_PATH: Final = "/auth/v1/user"
ASKED_SECONDS: Final = 60.0  # for which an answer of the project about a token holds
MOST_ASKED: Final = 1000
REFUSED: Final = frozenset({401, 403, 404})


def looks_like_a_users(token: str) -> bool:
    """Whether it has the form of one: head, claims and signature."""
    return token.count(".") == 2  # noqa: PLR2004


class Users:
    """Who a token is."""

    def __init__(
        self, project: Project, http: ProjectHttp, keys: SigningKeys, tokens: Tokens, steady: Callable[[], float]
    ) -> None:
        """`tokens` keeps those that were found good."""
        self._project = project
        self._keys = keys
        self._tokens = tokens
        self._asked = AskedTokens(http, steady)

    @property
    def project(self) -> Project:
        return self._project

    @property
    def reached(self) -> bool:
        return self._keys.reached

    async def caller(self, token: str) -> Caller:
        """The user of an access token; her jobs are hers alone.

        Raises:
            InvalidToken: it is not one of the project's, or not any more.
            AuthUnavailable: that cannot be told now.
        """
        import jwt

        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise _invalid(error) from None
        if head.get("alg") == LEGACY and self._keys.none_published:
            return self._let_in(await self._asked.user(token), token, _end_of(token))
        if head.get("alg") not in ALGORITHMS or not isinstance(head.get("kid"), str):
            raise InvalidToken("the access token is signed by a method that is not taken")
        key = await self._keys.find(head["kid"])
        if key.algorithm_name != head["alg"]:  # else a key of one kind could be taken for the secret of another
            raise InvalidToken("the access token is signed by another method than its key's")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[head["alg"]],
                audience=AUDIENCE,
                issuer=self._project.issuer,
                leeway=LEEWAY,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise _invalid(error) from None
        return self._let_in(_user_in(claims), token, float(claims["exp"]))

    def _let_in(self, user: str, token: str, expires: float) -> Caller:
        self._tokens.note(user, token, expires)
        return Caller(user, is_user=True, expires=expires)


def _end_of(token: str) -> float:
    """Of a token that the project itself has found good."""
    import jwt

    try:
        return float(jwt.decode(token, options={"verify_signature": False})["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        raise _invalid(error) from None


def _invalid(error: Exception) -> InvalidToken:
    return InvalidToken(f"the access token is not valid: {error}")


def _user_in(claims: Mapping[str, Any]) -> str:
    """The id, of claims whose signature, times, issuer and audience are right."""
    try:
        user = uuid.UUID(claims["sub"])
        uuid.UUID(claims["session_id"])
    except (ValueError, TypeError, AttributeError) as error:
        raise _invalid(error) from None
    if claims["role"] != AUDIENCE or claims.get("is_anonymous"):
        raise InvalidToken("the access token is not that of a user who has signed in")
    return str(user)


@dataclass(frozen=True)
class _Asked:
    user: str | None  # None for a token that the project does not know
    at: float


class AskedTokens:
    """Tokens of projects that sign with a secret: the project itself is asked, once a minute for each.

    The secret signs everything there, so it is never on a user's machine.
    """

    def __init__(self, http: ProjectHttp, steady: Callable[[], float]) -> None:
        self._http = http
        self._steady = steady
        self._known: OrderedDict[bytes, _Asked] = OrderedDict()  # by digest: a token itself is not kept
        self._locks: dict[bytes, asyncio.Lock] = {}

    async def user(self, token: str) -> str:
        """Raises InvalidToken, AuthUnavailable."""
        name = digest(token)
        async with self._locks.setdefault(name, asyncio.Lock()):  # one question for each, however many wait
            asked = self._known.get(name)
            if asked is None or self._steady() - asked.at >= ASKED_SECONDS:
                try:
                    user = await self._ask(token)
                except AuthUnavailable:
                    self._locks.pop(name, None)  # it has no answer to be forgotten with
                    raise
                asked = self._known[name] = _Asked(user, self._steady())
                self._known.move_to_end(name)
                while len(self._known) > MOST_ASKED:
                    self._locks.pop(self._known.popitem(last=False)[0], None)
        if asked.user is None:
            raise InvalidToken("the project does not know this access token, or not any more")
        return asked.user

    async def _ask(self, token: str) -> str | None:
        status, found = await self._http.get(USER_PATH, token)
        if status in REFUSED:
            return None
        try:
            if status == OK and not found.get("is_anonymous"):
                return str(uuid.UUID(found["id"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
        raise AuthUnavailable(f"the project of your account answers {status}", retry_after=RETRY_SECONDS)
