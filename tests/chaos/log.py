"""What a service writes: its supervisor's and its daemons' lines, from one pipe, kept in a file as well."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.patience import patience

READ_SIZE = 1 << 16
Event = dict[str, Any]


class Log:
    def __init__(self, fd: int, path: Path, on_event: Callable[[Event], None]) -> None:
        self.lines: list[str] = []
        self.events: list[Event] = []
        self._fd = fd
        self._file = path.open("ab", buffering=0)
        self._on_event = on_event
        self._unfinished = b""
        self.ended = False
        self._grown = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)

    async def event(self, name: str, *, after: int = 0, within: float | None = None, **members: Any) -> Event:
        """The first event of that name whose members are these, from position `after` on."""
        async with patience(f"the event {name} {members or ''}", within):
            while True:
                for found in self.events[after:]:
                    if found.get("event") == name and members.items() <= found.items():
                        return found
                after = len(self.events)
                self._grown.clear()
                await self._grown.wait()

    def named(self, name: str, *, after: int = 0) -> list[Event]:
        return [event for event in self.events[after:] if event.get("event") == name]

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._file.close()

    def _read(self) -> None:
        received = os.read(self._fd, READ_SIZE)
        if not received:
            self._loop.remove_reader(self._fd)
            self.ended = True
        self._file.write(received)
        *lines, self._unfinished = (self._unfinished + received).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))
        self._grown.set()

    def _take(self, line: str) -> None:
        self.lines.append(line)
        _, brace, rest = line.partition("{")  # a dying daemon's traceback may have begun the line
        try:
            found = json.loads(brace + rest)
        except ValueError:
            return
        self.events.append(found)
        self._on_event(found)
