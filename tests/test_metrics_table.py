from __future__ import annotations

from daemon.api.metrics.families import FAMILIES
from scripts.metrics_table import DOC, with_table


def test_the_docs_have_the_metrics_as_they_are() -> None:
    text = DOC.read_text()
    assert text == with_table(text), "run `.venv/bin/python -m scripts.metrics_table`"
    assert all(f"`pro_engine_{family.name}`" in text for family in FAMILIES)


def test_every_metric_is_named_in_base_units_and_by_its_kind() -> None:
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind.value == "counter"), family.name
        assert not any(unit in family.name for unit in ("_ms", "_mb", "_percent", "milliseconds")), family.name
        assert family.says.endswith("."), family.name
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
