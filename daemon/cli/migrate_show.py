"""What each step of `pro-engine migrate` has found or done, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon.migrate.apply import ApplyReport
from daemon.migrate.audit import AuditReport
from daemon.migrate.backup import Backup
from daemon.migrate.cleanup import CleanupReport
from daemon.migrate.plan import PlanReport
from daemon.migrate.rollback import RollbackReport
from daemon.migrate.status import Status
from daemon.migrate.verify import VerifyReport


def show_audit(console: Console, report: AuditReport) -> None:
    counts = report.counts
    console.print(
        f"{counts.users:,} users, {counts.users_to_move:,} of them to be moved; "
        f"{counts.logs:,} logs, {counts.logs_to_move:,} of them to be moved; "
        f"{counts.needing_reset:,} users will set a new password."
    )
    for title, rows in (("hashes", counts.hashes), ("tiers", counts.tiers), ("types", counts.types)):
        if rows:
            console.print(_line(title, rows))
    for said in report.assumed:
        console.print(f"[dim]{escape(said)}[/dim]")
    if report.findings:
        console.print(_findings(report))
    unruled = report.unruled
    if unruled:
        console.print(f"[red]{len(unruled)} of these need a ruling[/red] before anything can be moved:")
        for finding in unruled:
            console.print(f"  {escape(finding.how)}")
    else:
        console.print("[green]Nothing needs a ruling.[/green]")


def _findings(report: AuditReport) -> Table:
    table = Table("cannot be moved as it is", "rows", "ruling", "for example")
    for finding in report.findings:
        ruling = "[red]none yet[/red]" if finding.ruling is None else f"[green]{escape(finding.ruling)}[/green]"
        table.add_row(escape(finding.key), f"{finding.count:,}", ruling, escape(", ".join(finding.examples)))
    return table


def _line(title: str, rows: Mapping[str, int], most: int = 12) -> str:
    first = sorted(rows.items(), key=lambda row: -row[1])
    said = ", ".join(f"{escape(name)} {count:,}" for name, count in first[:most])
    return f"{title:<10} {said}{f' and {len(first) - most} more' if len(first) > most else ''}"


def show_backup(console: Console, made: Backup, where: str) -> None:
    console.print(f"{escape(where)}\n{made.size:,} bytes, checked; sha256 {made.sha256}")


def show_plan(console: Console, report: PlanReport) -> None:
    counts = report.counts
    table = Table("users", "", "logs", "")
    left_out = sum(counts.users_left_out.values())
    rows = [
        ("to be created", report.created, "to be moved", counts.logs_to_move),
        ("to be linked to their accounts", report.linked, "", None),
        ("to become part of another", report.merged, "", None),
        ("left out", left_out, "left out", sum(counts.logs_left_out.values())),
    ]
    for user, users, log, logs in rows:
        table.add_row(user, f"{users:,}", log, "" if logs is None else f"{logs:,}")
    console.print(table)
    for what, reasons in (("users", counts.users_left_out), ("logs", counts.logs_left_out)):
        for reason, count in sorted(reasons.items()):
            console.print(f"  {count:,} {what} left out: {escape(reason)}")
    console.print(f"{counts.needing_reset:,} of those to be created will set a new password.")
    console.print(f"Row by row in {escape(report.file)}\nFor {escape(report.project)}; plan {report.digest[:16]}")


def show_apply(console: Console, report: ApplyReport) -> None:
    console.print(
        f"{report.created:,} users created, {report.linked:,} linked, {report.merged:,} made part of another, "
        f"{report.left_out:,} left out; {report.logs:,} logs moved."
    )
    if report.needing_reset:
        mailed = f"; {report.mails:,} were sent a mail now" if report.mails else ""
        console.print(f"{report.needing_reset:,} users set a new password: recovery.csv lists them{mailed}.")
    if not report.is_complete:
        console.print(
            f"[red]{report.refused:,} users and {report.refused_logs:,} logs were refused by the project[/red]; "
            "migration.log says why. Run apply again when that is mended."
        )


def show_verify(console: Console, report: VerifyReport) -> None:
    console.print(
        f"{report.users:,} users, {report.profiles:,} profiles and {report.logs:,} logs compared, "
        f"and the sums of {report.sums:,} users."
    )
    for sung in report.canaries:
        said = "[green]signed in[/green]" if sung.is_well else f"[red]{escape(sung.why)}[/red]"
        console.print(f"canary {escape(sung.user)} ({escape(sung.kind)}): {said}")
    if report.kinds_without_canary:
        console.print(f"No canary was tried for {', '.join(report.kinds_without_canary)}.")
    for difference in report.differences.shown[:20]:
        console.print(f"  {escape(', '.join(f'{name} {value}' for name, value in difference.items()))}")
    if report.is_green:
        console.print("[green]Green: nothing is missing, nothing differs.[/green]")
        return
    console.print(
        f"[red]Not green: {report.differences.count:,} differences, {report.refused_users:,} users and "
        f"{report.refused_logs:,} logs refused.[/red]"
    )


def show_rollback(console: Console, report: RollbackReport) -> None:
    console.print(
        f"{report.removed:,} users removed, {report.unlinked:,} unlinked, {report.logs:,} logs taken back.\n"
        f"What went is in {escape(report.export)}"
    )
    for reason, count in sorted(report.reasons.items()):
        console.print(f"[yellow]{count:,} users stay: {escape(reason)}[/yellow]")
    if report.left:
        console.print("rollback.json lists them; decide about each yourself.")


def show_cleanup(console: Console, report: CleanupReport) -> None:
    console.print(f"Removed from {escape(report.file)}: {_rows(report.removed.items())}")
    console.print(f"Kept there: {_rows(report.kept.items())}")
    console.print(f"The backup stays, with all users in it: {escape(report.backup)}")


def _rows(tables: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{escape(name)} ({count:,})" for name, count in tables) or "nothing"


def show_status(console: Console, status: Status) -> None:
    console.print(
        f"project    {escape(status.project or 'none yet')}\nstage      {status.stage}\nnext       {status.next}"
    )
    for name, count in status.users.items():
        console.print(f"users      {count:,} {name}")
    console.print(
        f"logs       {status.logs:,} ({status.logs_sent:,} rows of the file done, {status.refused_logs:,} refused)"
    )
