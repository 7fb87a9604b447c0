from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from daemon.api.metrics.exposition import render
from daemon.api.metrics.family import Family, Kind
from daemon.jobs.figures import Histogram

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NOTHING: Any = lambda _: {}


def rendered(family: Family, samples: Any, accept: str) -> list[Metric]:
    body, content_type = render([(family, samples)], accept)
    is_open = content_type.startswith("application/openmetrics-text")
    return list((parse_openmetrics if is_open else parse_text)(body.decode()))


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
@given(value=st.floats(0, 1e18), label=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_label_and_any_value_come_back_as_they_were(accept: str, value: float, label: str) -> None:
    for kind, name in ((Kind.GAUGE, "size_bytes"), (Kind.COUNTER, "sent_total")):
        family = Family(name, kind, 'Says "what" it is,\nin two lines: \\.', NOTHING, ("device",))
        (metric,) = rendered(family, {(label,): value}, accept)
        (sample,) = metric.samples
        assert (metric.type, metric.documentation) == (kind.value, family.says)
        assert (sample.name, sample.labels, sample.value) == (f"pro_engine_{name}", {"device": label}, value)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_histogram_has_its_buckets_its_sum_and_its_count(accept: str) -> None:
    histogram = Histogram((0.5, 1.0))
    for value in (0.25, 0.5, 0.75, 8.0):
        histogram.observe(value, "x")
    family = Family("wait_seconds", Kind.HISTOGRAM, "Waits.", NOTHING, ("of",))
    (metric,) = rendered(family, histogram.read(), accept)
    assert metric.type == "histogram"
    assert [(s.name.removeprefix("pro_engine_wait_seconds_"), s.labels.get("le"), s.value) for s in metric.samples] == [
        ("bucket", "0.5", 2),
        ("bucket", "1.0", 3),
        ("bucket", "+Inf", 4),
        ("count", None, 4),
        ("sum", None, 9.5),
    ]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/json", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=99", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        # what Prometheus sends
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_who_accepts_openmetrics_gets_it(accept: str, content_type: str) -> None:
    assert render([], accept)[1] == content_type


def test_a_daemon_that_nobody_scrapes_has_not_loaded_the_library() -> None:
    says = "import sys, daemon.app, daemon.__main__; print('prometheus_client' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"
