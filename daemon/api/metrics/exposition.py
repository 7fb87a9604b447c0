"""Prometheus's text formats, by its own library.

That is imported with the first scrape, on the thread that renders it: a daemon that nobody scrapes has neither its time
(some 50 ms) nor its modules, an HTTP server among them. Its registries and counters are not used: they lock at each
count, and would make every layer that counts import the library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from daemon.api.metrics.family import Family, Kind, Samples
from daemon.jobs.figures import Spread

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX: Final = "pro_engine_"
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(read: Sequence[tuple[Family, Samples]], accept: str) -> tuple[bytes, str]:
    """The text for whoever sends this `Accept`, and its content type. Meant for a thread: it takes milliseconds."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest
    from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

    registry = CollectorRegistry()
    registry.register(_Collector(read))
    # rejected: the library's own choice, which repeats any version that the header asks for
    if "application/openmetrics-text" in accept:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text, OPENMETRICS
    return generate_latest(registry), TEXT


class _Collector:
    def __init__(self, read: Sequence[tuple[Family, Samples]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return [_metric(family, samples) for family, samples in self._read]


def _metric(family: Family, samples: Samples) -> Metric:
    from prometheus_client import core
    from prometheus_client.utils import floatToGoString

    name, says, labels = PREFIX + family.name, family.says, family.labels
    if family.kind is Kind.HISTOGRAM:
        histogram = core.HistogramMetricFamily(name, says, labels=labels)
        for values, spread in samples.items():
            assert isinstance(spread, Spread)
            bounds = map(floatToGoString, (*spread.bounds, math.inf))
            histogram.add_metric(values, list(zip(bounds, spread.counts, strict=True)), spread.sum)
        return histogram
    is_counter = family.kind is Kind.COUNTER
    make: type[CounterMetricFamily | GaugeMetricFamily] = (
        core.CounterMetricFamily if is_counter else core.GaugeMetricFamily
    )
    metric = make(name, says, labels=labels)
    for values, value in samples.items():
        assert not isinstance(value, Spread)
        metric.add_metric(values, value)
    return metric
