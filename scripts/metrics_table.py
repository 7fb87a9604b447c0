"""The table of metrics in docs/observability.md, made from the code: run it after a change of the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.api.metrics.exposition import PREFIX
from daemon.api.metrics.families import FAMILIES
from scripts.markdown import table

DOC = Path(__file__).parent.parent / "docs" / "observability.md"
BEGIN, END = "<!-- metrics: made by scripts/metrics_table.py -->", "<!-- end of metrics -->"


def metrics() -> Iterator[Sequence[str]]:
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"`{PREFIX}{family.name}`", family.kind.value, labels, family.says


def with_table(text: str) -> str:
    """The page with the table as it is now."""
    made = "\n".join(table(("name", "kind", "labels", ""), metrics()))
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


if __name__ == "__main__":
    DOC.write_text(with_table(DOC.read_text()))
