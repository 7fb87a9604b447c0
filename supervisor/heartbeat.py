"""Is the daemon's event loop alive? The daemon writes `ready` once and `beat` every second into a pipe.

One that is started to replace another writes `standby` first and then waits for as long as the other drains: until it
is told to go it has no deadline. The lines come from the daemon's loop, not from a thread: a thread goes on beating
while the loop hangs. `Heartbeat` is the judgement, without a clock or a descriptor of its own; `HeartbeatReader` is the
pipe and the timer around it.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

LOOK_EVERY = 2.0  # how often the deadlines are looked at; rarer looks would tell less about our own lateness
LATENESS_TOLERATED = 2.0
LONGEST_LINE = 64
READ_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Deadlines:
    start: float  # seconds from spawn to `ready`
    beat: float  # seconds from one line to the next


class Missed(Enum):
    """The deadline that passed."""

    START = "start"
    BEAT = "beat"


class Heartbeat:
    """When the daemon was last heard, on a monotonic clock whose time is passed in."""

    def __init__(self, deadlines: Deadlines, *, now: float) -> None:
        self._deadlines = deadlines
        self._counted_from = now  # the spawn, the last line, or the moment we ourselves woke up late
        self._unfinished = b""
        self._told_to_go = False
        self.stood_by = False  # it has said so, and may have gone on since
        self.ready_at: float | None = None
        self.look_at = self._next_look(now)

    def hear(self, received: bytes, *, now: float) -> None:
        """Count the lines in what the pipe gave; lines that a later daemon may add are passed over."""
        *lines, self._unfinished = (self._unfinished + received).split(b"\n")
        self._unfinished = self._unfinished[-LONGEST_LINE:]
        if b"ready" in lines and self.ready_at is None:
            self.ready_at = now
        self.stood_by |= b"standby" in lines
        if self.ready_at is not None and (b"ready" in lines or b"beat" in lines):
            self._counted_from = now

    def look(self, *, now: float) -> Missed | None:
        """The deadline that has passed, if one has.

        A look that comes late tells about us (suspend, SIGSTOP, a starved machine), not about the daemon, which was
        most likely stopped as well: it gets its whole deadline again.
        """
        if now - self.look_at > LATENESS_TOLERATED:
            self._counted_from = now
        missed = now >= self._counted_from + self._allowed
        self.look_at = self._next_look(now)
        if not missed:
            return None
        return Missed.START if self.ready_at is None else Missed.BEAT

    @property
    def standing_by(self) -> bool:
        """Does it wait for another to end? One that is ready had what it waited for before we said so."""
        return self.stood_by and self.ready_at is None and not self._told_to_go

    def go(self, *, now: float) -> None:
        """It has nothing to wait for any more: from now on it has the start deadline, whole.

        Said before its `standby` was heard, it makes that line no reason to wait without end.
        """
        self._told_to_go = True
        if (
            self.ready_at is None
        ):  # one that is ready has the deadline of its beats, and our lateness is still to be seen
            self._counted_from = now
            self.look_at = self._next_look(now)

    @property
    def _allowed(self) -> float:
        if self.standing_by:
            return math.inf
        return self._deadlines.start if self.ready_at is None else self._deadlines.beat

    def _next_look(self, now: float) -> float:
        deadline = self._counted_from + self._allowed
        return min(now + LOOK_EVERY, deadline) if deadline > now else now + LOOK_EVERY


class HeartbeatReader:
    """Feeds a `Heartbeat` from the pipe; calls `on_standby` and `on_ready` once, and `on_missed` once, after which it
    looks no more.
    """

    def __init__(
        self,
        fd: int,
        heartbeat: Heartbeat,
        *,
        on_ready: Callable[[], None],
        on_missed: Callable[[Missed], None],
        on_standby: Callable[[], None] | None = None,
    ) -> None:
        self._fd = fd
        self._heartbeat = heartbeat
        self._on_ready = on_ready
        self._on_missed = on_missed
        self._on_standby = on_standby
        self._over = False
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._read)
        self._timer = self._loop.call_at(heartbeat.look_at, self._look)

    def go(self) -> None:
        """Start the deadline of a daemon that stood by; of no effect once a deadline was missed."""
        self._heartbeat.go(now=self._loop.time())
        if not self._over:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._heartbeat.look_at, self._look)

    def close(self) -> None:
        self._over = True
        self._timer.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        try:
            received = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        if not received:  # the daemon closed its end: it exits, which the pidfd tells, or its deadline passes
            self._loop.remove_reader(self._fd)
            return
        stood_by, was_ready = self._heartbeat.stood_by, self._heartbeat.ready_at is not None
        self._heartbeat.hear(received, now=self._loop.time())
        if self._heartbeat.stood_by and not stood_by and self._on_standby:
            self._on_standby()
        if self._heartbeat.ready_at is not None and not was_ready:
            self._on_ready()

    def _look(self) -> None:
        # Lines that wait in the pipe have been heard: the loop runs readers before the timers of the same turn.
        missed = self._heartbeat.look(now=self._loop.time())
        if missed:
            self._over = True
            self._on_missed(missed)
        else:
            self._timer = self._loop.call_at(self._heartbeat.look_at, self._look)
