"""What a metric is: the one description that the exposition and the docs are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from daemon.api.parts import Parts
from daemon.executor.executor import ExecutorStatus
from daemon.jobs.figures import Labels, Spread
from daemon.store.census import Census

Samples = Mapping[Labels, float] | Mapping[Labels, Spread]


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Seen:
    """All that one scrape looks at."""

    parts: Parts
    executor: ExecutorStatus
    census: Census
    daemon_bytes: int  # resident
    worker_bytes: Mapping[int, int]  # resident, by pid; without those that have ended meanwhile


@dataclass(frozen=True)
class Family:
    """Its name without our prefix, in base units; what its samples are is read from what was seen."""

    name: str
    kind: Kind
    says: str
    read: Callable[[Seen], Samples]
    labels: tuple[str, ...] = ()
