"""Where a session is kept: in the keyring of the desktop, or in a file that only its user may read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, Protocol

from daemon.private_file import write_private
from daemon.signin.session import Session, from_text

SERVICE: Final = "pro-engine"
LEAST_PRIORITY: Final = 1  # of a keyring that keeps something: below are those that refuse


class Keeping(Protocol):
    """One session at a time; `where` names the place for a person."""

    where: str

    def load(self) -> Session | None: ...

    def save(self, session: Session) -> None: ...

    def forget(self) -> None: ...


class FileKeeping:
    """Mode 0600, replaced as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.where = str(file)

    def load(self) -> Session | None:
        try:
            return from_text(self._file.read_text())
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, session: Session) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._file, session.as_text())

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)


class KeyringKeeping:
    """The desktop's keyring, which the user's login opens. Where it fails, the file takes its place."""

    where = "the keyring"

    def __init__(self, account: str, file: FileKeeping) -> None:
        self._account = account
        self._file = file

    def load(self) -> Session | None:
        import keyring

        text = None
        with contextlib.suppress(keyring.errors.KeyringError):
            text = keyring.get_password(SERVICE, self._account)
        return from_text(text) if text else self._file.load()

    def save(self, session: Session) -> None:
        import keyring
        import structlog  # not with this module: programs that only ask load nothing they do not need

        try:
            keyring.set_password(SERVICE, self._account, session.as_text())
        except keyring.errors.KeyringError as error:
            structlog.get_logger(__name__).warning("keyring_refuses", reason=str(error), kept_in=self._file.where)
            self._file.save(session)
        else:
            self._file.forget()

    def forget(self) -> None:
        import keyring

        with contextlib.suppress(keyring.errors.KeyringError):
            keyring.delete_password(SERVICE, self._account)
        self._file.forget()


def keeping_for(file: Path) -> Keeping:
    """The keyring where there is one that works, else `file`, which also names the session in the keyring."""
    import keyring

    in_file = FileKeeping(file)
    if keyring.get_keyring().priority < LEAST_PRIORITY:
        return in_file
    return KeyringKeeping(str(file), in_file)
