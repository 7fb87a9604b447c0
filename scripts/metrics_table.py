"""The table of metrics in docs/observability.md, made from the code: run it after a change of the metrics."""

from __future__ import annotations

from pathlib import Path

from daemon.api.metrics.exposition import PREFIX
from daemon.api.metrics.families import FAMILIES

DOC = Path(__file__).parent.parent / "docs" / "observability.md"
BEGIN, END = "<!-- metrics: made by scripts/metrics_table.py -->", "<!-- end of metrics -->"


def table() -> str:
    rows = [
        f"| `{PREFIX}{family.name}` | {family.kind.value} | {', '.join(f'`{label}`' for label in family.labels)} "
        f"| {family.says} |"
        for family in FAMILIES
    ]
    return "\n".join(["| name | kind | labels | |", "|---|---|---|---|", *rows])


def with_table(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    DOC.write_text(with_table(DOC.read_text()))
