"""`audit`: what is in the old file, what of it cannot be moved as it is, and how to rule on that. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon.migrate.choices import Choices
from daemon.migrate.findings import Counts, Finding, Findings
from daemon.migrate.ledger import scratch_ledger
from daemon.migrate.legacy import Legacy, opened_legacy
from daemon.migrate.progress import Progress
from daemon.migrate.report_html import page
from daemon.migrate.survey import Survey
from daemon.migrate.work import Work, replaced, write_json

NOWHERE: Final = "no project"  # ids are made for an audit too, and looked at by nobody


@dataclass(frozen=True)
class AuditReport:
    file: str
    counts: Counts
    findings: list[Finding]
    assumed: list[str]

    @property
    def unruled(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.ruling is None]

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "ready": not self.unruled,
            "counts": self.counts.as_json(),
            "findings": [finding.as_json() for finding in self.findings],
            "assumed": self.assumed,
        }


def audit(work: Work, choices: Choices, tiers: Collection[str], progress: Progress) -> AuditReport:
    """Of the file as it is now; written to audit.json and audit.html as well."""
    report = look_through(work.legacy, choices, tiers, progress)
    write_json(work.report("audit"), report.as_json())
    with replaced(work.report("audit", "html")) as partial:
        partial.write_text(page(report.as_json()), encoding="utf-8")
    return report


def look_through(file: Path, choices: Choices, tiers: Collection[str], progress: Progress) -> AuditReport:
    choices.check(tiers)
    findings = Findings(choices.rulings)
    ledger = scratch_ledger()
    try:
        with opened_legacy(file) as legacy:
            survey = Survey(legacy, ledger, choices.forms(NOWHERE, tiers, findings), findings, NOWHERE)
            survey.users(progress)
            survey.logs(progress, lambda _raw, _reason: None)
            survey.finish()
            return AuditReport(str(file), survey.counts, findings.sorted(), assumptions(legacy, choices, tiers))
    finally:
        ledger.close()


def assumptions(legacy: Legacy, choices: Choices, tiers: Collection[str]) -> list[str]:
    """What was taken for granted, in sentences: each can be set otherwise."""
    said = [
        f"Times that name no zone are times of {choices.zone} (--timezone).",
        f"Users without a tier are {choices.default_tier} (--default-tier).",
        f"The project has the tiers {', '.join(sorted(tiers))}.",
        f"processing_time counts {choices.rulings.of('time-unit') or 'ms'} (--rule time-unit=…).",
    ]
    if legacy.logs_table is None:
        said.append("There is no table usage_logs, so there are no logs to move.")
    elif not legacy.logs_are_keyed_by_id:
        said.append("Ids of usage_logs are missing or come twice: rows are known by their numbers in the file.")
    for table, names in (
        (legacy.users_table, ("email", "password_hash", "subscription_tier", "created_at")),
        (legacy.logs_table, ("user_id", "processing_type", "image_size", "processing_time", "created_at")),
    ):
        lacking = [name for name in names if table is not None and name not in table.columns]
        if table is not None and lacking:
            said.append(f"{table.name} has no column {', '.join(lacking)}.")
    return said
