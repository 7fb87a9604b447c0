"""The table of a run, as Markdown: a row for each fault, and the figures that hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.chaos.lane import Figures
from tests.chaos.rounds import Row

HEAD = (
    "| # | fault | what is to come of it | runs | failed | void | requests | lost | in flight at the kill | slowest, s "
    "| jobs | back, median s | back, worst s | took, s |"
)
RULE = "|" + " --- |" * 14


def line(row: Row) -> str:
    figures, back = row.figures, row.figures.back
    cells = [
        row.fault.number,
        row.fault.name,
        row.fault.outcome if row.skipped is None else f"skipped: {row.skipped}",
        row.runs,
        len(row.failures),
        row.void or "",
        figures.count.answered,
        figures.count.lost.total(),
        figures.count.excused,
        f"{figures.count.slowest:.2f}" if figures.count.answered else "",
        figures.jobs or "",
        f"{median(back):.2f}" if back else "",
        f"{max(back):.2f}" if back else "",
        f"{row.seconds:.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def table(rows: Sequence[Row]) -> str:
    return "\n".join([HEAD, RULE, *map(line, rows)])


def summary(rows: Sequence[Row]) -> str:
    """What a reader wants to know first."""
    total = Figures()
    for row in rows:
        total.add(row.figures)
    planned = Figures()
    for row in rows:
        if row.figures.planned_restarts:
            planned.add(row.figures)
    meanwhile, requests = planned.count, total.count
    lines = [
        f"rounds: {sum(row.runs for row in rows)}, failed: {sum(len(row.failures) for row in rows)}",
        f"rounds done again, since by witnesses' word the machine stood still: {sum(row.void for row in rows)}",
        f"strangers harmed: {len(total.harm)}",
        f"start-ups: {total.starts}, failed: {total.failed_starts}",
        f"planned restarts: {planned.planned_restarts}",
        f"requests during planned restarts: {meanwhile.answered}, lost: {meanwhile.lost.total()}",
        f"requests in all: {requests.answered}, lost without excuse: {requests.lost.total()}",
        f"requests in flight at a kill: {requests.excused}",
        f"jobs followed to their one end: {total.jobs}",
    ]
    return "\n".join(f"- {line}" for line in lines)
