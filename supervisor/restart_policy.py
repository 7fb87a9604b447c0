"""What follows when the daemon has ended: pure, with the random source passed in and the times in the `Ending`.

Rejected: giving up after n failures, as OTP and supervisord do. A supervisor that exits drops the socket, and with it
every connection that waits for the next daemon.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random

from supervisor.errors import BOOT_FAILURE

CONFIGURATION_CODES = frozenset({os.EX_CONFIG, os.EX_USAGE})
JITTER = 0.25  # a delay is shortened by up to this share, so that it never exceeds the longest and steps still grow


@dataclass(frozen=True, slots=True)
class Backoff:
    first: float  # seconds before the second restart in a row; the first is at once
    longest: float
    reset_after: float  # seconds of being ready after which earlier failures are forgotten

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: 0, first, and then twice the last, up to the longest."""
        if failures <= 1:
            return 0.0
        doublings = min(failures - 2, 32)  # any more only overflows the float
        return min(self.first * 2.0**doublings, self.longest)


@dataclass(frozen=True, slots=True)
class Ending:
    """How one life of the daemon ended; times are monotonic."""

    code: int  # exit code, or minus the signal
    ready_at: float | None
    ended_at: float

    @property
    def ready_for(self) -> float:
        return 0.0 if self.ready_at is None else self.ended_at - self.ready_at


@dataclass(frozen=True, slots=True)
class Restart:
    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    exit_code: int


Decision = Restart | GiveUp


class RestartPolicy:
    """Remembers the failures in a row, nothing else."""

    def __init__(self, backoff: Backoff, random: Random) -> None:
        self._backoff = backoff
        self._random = random
        self.failures = 0

    def decide(self, ending: Ending) -> Decision:
        if ending.code in CONFIGURATION_CODES:
            return GiveUp(os.EX_CONFIG)  # the same settings would end the same way
        if ending.ready_for >= self._backoff.reset_after:
            self.failures = 0
        if ending.code == os.EX_TEMPFAIL and ending.ready_at is not None:
            # "Restart me now". One that says so before it is ready would spin, so there it is a failure like any other.
            return Restart(0.0)
        self.failures += 2 if ending.code == BOOT_FAILURE else 1
        delay = self._backoff.delay(self.failures)
        return Restart(delay * (1 - JITTER * self._random.random()))
