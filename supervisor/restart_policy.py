"""What follows when the daemon has ended: pure, with the random source passed in and the times in the `Ending`.

Single failures are restarted with a growing delay. Too many of them open a circuit: the supervisor answers in the
daemon's place (`Degraded`) and tries one life from time to time, every other one in safe mode.
Rejected: giving up after n failures, as OTP and supervisord do. A supervisor that exits drops the socket, and with it
every connection that waits for the next daemon.
"""

from __future__ import annotations

import os
from collections import deque
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
class Intensity:
    """How many failures in how short a time are too many, and what then passes for a recovery."""

    most: int = 5  # failures; one more within the time opens the circuit
    within: float = 60.0  # seconds; also how long a life after that must be ready to close it again
    retry_every: float = 60.0  # seconds from one such life to the next


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
class Degraded:
    """Answer in the daemon's place for so many seconds, then try one life."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    exit_code: int


Decision = Restart | Degraded | GiveUp


class RestartPolicy:
    """Remembers the failures in a row, the recent ones, and whether the circuit waits for a life to prove itself."""

    def __init__(self, backoff: Backoff, intensity: Intensity, random: Random) -> None:
        self._backoff = backoff
        self._intensity = intensity
        self._random = random
        self._recent: deque[float] = deque()  # when each failure of the last `within` seconds was
        self._half_open = False  # the next life is the one try after a `Degraded`
        self._ever_ready = False
        self.failures = 0
        self.safe_mode = False  # of the next life

    def decide(self, ending: Ending) -> Decision:
        self._ever_ready |= ending.ready_at is not None
        self._learn_from_long_life(ending)
        if ending.code in CONFIGURATION_CODES:
            return self._mind_wrong_settings()
        if ending.code == os.EX_TEMPFAIL and ending.ready_at is not None:
            # "Restart me now". One that says so before it is ready would spin, so there it is a failure like any other.
            return Restart(0.0)
        weight = 2 if ending.code == BOOT_FAILURE else 1
        self.failures += weight
        if self._half_open:
            # The first try after the circuit opened was as usual: what failed before may have passed. From then on they
            # alternate, because neither the GPU nor the lack of it need be what is wrong.
            self.safe_mode = not self.safe_mode
            return self._degrade()
        if self._too_many(ending.ended_at, weight):
            self.safe_mode = False
            return self._degrade()
        return Restart(self._shortened(self._backoff.delay(self.failures)))

    def forget(self) -> None:
        """Somebody says that it is mended: the next life starts as the very first did."""
        self.failures = 0
        self.safe_mode = False
        self._half_open = False
        self._recent.clear()

    def _learn_from_long_life(self, ending: Ending) -> None:
        if ending.ready_for >= self._backoff.reset_after:
            self.failures = 0
        if self._half_open and ending.ready_at is not None and ending.ready_for >= self._intensity.within:
            # It has recovered, in the mode that it ran in: safe mode stays on, as the other one is known to fail.
            self._half_open = False
            self.failures = 0

    def _mind_wrong_settings(self) -> Decision:
        """The same settings would end the same way, and say nothing about the GPU.

        Once a life was ready there are clients who wait at the socket, and a file that worked yesterday is likely to be
        mended: so the next try looks at it again. At the very first start there is nobody to wait for.
        """
        return self._degrade() if self._ever_ready else GiveUp(os.EX_CONFIG)

    def _too_many(self, now: float, weight: int) -> bool:
        self._recent.extend([now] * weight)
        while now - self._recent[0] >= self._intensity.within:
            self._recent.popleft()
        return len(self._recent) > self._intensity.most

    def _degrade(self) -> Degraded:
        self._half_open = True
        return Degraded(self._shortened(self._intensity.retry_every))

    def _shortened(self, delay: float) -> float:
        return delay * (1 - JITTER * self._random.random())
