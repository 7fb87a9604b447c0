"""Local mode: no account, one token made at first start, and the secret by which local clients know us."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from daemon.accounts.caller import Caller
from daemon.accounts.digest import as_bytes
from daemon.errors import InvalidToken
from daemon.private_file import write_private

OWNER: Final = "local"  # whose jobs they are
TICKET_SECONDS: Final = 600
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LocalAccess:
    """The token of this machine and the signatures made with its secret."""

    token: str = field(repr=False)
    secret: bytes = field(repr=False)

    def caller(self, token: str) -> Caller:
        """Who a bearer is.

        Raises:
            InvalidToken: it is not ours.
        """
        if not hmac.compare_digest(as_bytes(token), as_bytes(self.token)):
            raise InvalidToken("the access token is not the one of this service; `pro-engine token` shows it")
        return Caller(OWNER, is_admin=True)

    def prove(self, challenge: str, pid: int, port: int) -> str:
        """The answer to a client's challenge, which only the holder of the secret can give."""
        return self._sign(f"challenge|{challenge}|{pid}|{port}")

    def ticket(self, job: str, owner: str, now: float) -> str:
        """Lets whoever has it fetch one result for ten minutes: `<img>` and downloads cannot send a bearer."""
        expires = int(now) + TICKET_SECONDS
        return f"{expires}.{owner}.{self._sign(f'ticket|{job}|{owner}|{expires}')}"

    def owner_by_ticket(self, ticket: str, job: str, now: float) -> str:
        """Whose job a ticket is for.

        Raises:
            InvalidToken: forged, for another job, or expired.
        """
        expires, _, rest = ticket.partition(".")
        owner, _, signature = rest.rpartition(".")  # an owner may be an origin, which has dots
        expected = self._sign(f"ticket|{job}|{owner}|{expires}")
        if not hmac.compare_digest(as_bytes(signature), expected.encode()) or int(expires) < now:
            raise InvalidToken("the ticket in this link is not valid any more; ask for the job again")
        return owner

    def _sign(self, text: str) -> str:
        return hmac.new(self.secret, as_bytes(text), hashlib.sha256).hexdigest()


def local_access(token_file: Path, secret_file: Path) -> LocalAccess:
    """Read token and secret, made at the first start."""
    return LocalAccess(_read_or_make(token_file), _read_or_make(secret_file).encode())


def share(access: LocalAccess, folder: Path) -> None:
    """Copies for the group of the folder, whose members may thereby act as the owner: a system service's own folder is
    closed to everybody. Without them the service still serves whoever knows the token.
    """
    try:
        write_private(folder / "token", f"{access.token}\n", 0o640)
        write_private(folder / "secret", f"{access.secret.decode()}\n", 0o640)
    except OSError as error:
        log.error("token_not_shared", folder=str(folder), error=str(error))  # noqa: TRY400, the sentence says it all


def _read_or_make(path: Path) -> str:
    """A random word in a file of mode 0600."""
    if path.exists() and (word := path.read_text().strip()):
        return word
    word = secrets.token_urlsafe(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, f"{word}\n")
    return word
