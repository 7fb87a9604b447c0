"""A log that is in the journal, read by `journalctl`: a JSON object an entry, with the time at which it came."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any, Final

from daemon.cli.logs_line import Line, Wish, pick, read_line
from daemon.errors import ServiceRefused

MICROSECONDS: Final = 1e6
CLOSED: Final = ("not seeing messages from other users", "insufficient permissions")  # as journalctl says it


@dataclass(frozen=True)
class Unit:
    """Whose entries they are."""

    name: str
    of_user: bool

    @property
    def match(self) -> str:
        # not `--user --unit`: it reads a journal of the user's own, which there is only where journals are split
        return f"--{'user-' if self.of_user else ''}unit={self.name}"


class Journal:
    """`let_in` says what opens the journal to whoever it is closed to."""

    def __init__(self, unit: Unit, let_in: str) -> None:
        self._unit = unit
        self._let_in = let_in
        self._cursor: str | None = None  # of the newest entry that was seen

    def newest(self, most: int | None, wish: Wish) -> list[Line]:
        """The last lines that are wished for, oldest first.

        Raises:
            ServiceRefused: there is no journal, or it is not for this user.
        """
        since = [] if wish.since is None else [f"--since=@{int(wish.since)}"]
        with self._run("--reverse", *since) as running:
            found = pick(map(self._see, running.entries()), most, wish)
            if self._cursor is None:
                self._require_open(running.complaint(), is_all=wish.since is None)
        return found

    def _see(self, entry: dict[str, Any]) -> Line:
        self._cursor = self._cursor or entry.get("__CURSOR")
        return line_of(entry)

    def _require_open(self, complaint: str, *, is_all: bool) -> None:
        """Nothing was found: whether nothing is there. The complaint alone does not say so: it comes with every look of
        a user who may not see everything, though all that is wanted may be seen.
        """
        if not any(words in complaint for words in CLOSED):
            if complaint:
                raise ServiceRefused(f"journalctl does not answer: {complaint}")
            return
        if not is_all:
            with self._run("--lines=1") as running:
                if next(running.entries(), None) is not None:
                    return
        raise ServiceRefused(f"the journal does not show you this service's log; {self._let_in}", os.EX_NOPERM)

    def follow(self) -> Iterator[Line]:
        """What comes after that, for ever."""
        after = [] if self._cursor is None else [f"--after-cursor={self._cursor}"]
        with self._run("--follow", "--no-tail", *after) as running:
            yield from map(line_of, running.entries())

    @contextmanager
    def _run(self, *options: str) -> Iterator[_Running]:
        # --all: a long line would be null without it
        words = ("journalctl", self._unit.match, "--output=json", "--all", "--no-pager", *options)
        with TemporaryFile() as complaints:
            try:
                command = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
            except FileNotFoundError:
                raise ServiceRefused("the log is in the journal, and journalctl is not installed") from None
            with command:
                try:
                    yield _Running(command, complaints)
                finally:
                    command.terminate()


@dataclass(frozen=True)
class _Running:
    command: subprocess.Popen[bytes]
    complaints: IO[bytes]

    def entries(self) -> Iterator[dict[str, Any]]:
        """As they come."""
        assert self.command.stdout is not None
        return _parse(self.command.stdout)

    def complaint(self) -> str:
        """All that it complained of, once it has ended by itself."""
        self.command.wait()
        self.complaints.seek(0)
        return self.complaints.read().decode(errors="replace").strip()


def _parse(raw: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in raw:
        if line.startswith(b"{"):  # else it is a remark such as `-- No entries --`
            yield json.loads(line)


def line_of(entry: dict[str, Any]) -> Line:
    """What stands in an entry. systemd's own words about the unit are among them."""
    message = entry.get("MESSAGE")
    if isinstance(message, str):
        raw = message.encode(errors="surrogatepass")
    elif isinstance(message, list) and all(isinstance(byte, int) for byte in message):
        raw = bytes(message)  # what is not text comes as numbers
    else:
        raw = json.dumps(message).encode()
    sender = entry.get("SYSLOG_IDENTIFIER")
    at = int(entry["__REALTIME_TIMESTAMP"]) / MICROSECONDS
    return read_line(raw, at, sender if sender == "systemd" else None)
