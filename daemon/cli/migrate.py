"""`pro-engine migrate`: the users and the usage of the old app, from its SQLite file to a Supabase project."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from rich.console import Console

from daemon.cli import migrate_show as show
from daemon.cli.migrate_progress import shown_progress
from daemon.errors import (
    AuthUnavailable,
    MigrationInterrupted,
    MigrationRefused,
    ProEngineError,
    RulingsNeeded,
    WrongSettings,
)
from daemon.migrate.apply import apply
from daemon.migrate.audit import audit
from daemon.migrate.backup import backup
from daemon.migrate.canary import read_canaries
from daemon.migrate.choices import Choices
from daemon.migrate.cleanup import cleanup
from daemon.migrate.defaults import TIERS, Tempo
from daemon.migrate.destination import KEYS, destination
from daemon.migrate.migration import Desk, Migration, opened_desk, opened_migration
from daemon.migrate.plan import plan
from daemon.migrate.recovery import send_recoveries
from daemon.migrate.rollback import rollback
from daemon.migrate.rulings import read_rulings
from daemon.migrate.status import status
from daemon.migrate.verify import verify
from daemon.migrate.work import Work, work_of

# docs/migration.md has them in a table
REFUSED: Final = 1
RULINGS: Final = 3
INCOMPLETE: Final = 4
NOT_GREEN: Final = 5
AGAIN: Final = 75  # EX_TEMPFAIL
REMOVES: Final = {
    "rollback": "What the migration has made will be removed from the project.",
    "cleanup": "Users and what is theirs will be removed from the old file.",
}
EXITS: Final[tuple[tuple[type[ProEngineError], int], ...]] = (
    (RulingsNeeded, RULINGS),
    (MigrationInterrupted, AGAIN),
    (AuthUnavailable, AGAIN),
    (MigrationRefused, REFUSED),
)


class Telling:
    """The result, as a table or as the last line of JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.console = Console(highlight=False, soft_wrap=True, stderr=as_json)

    def result(self, report: Any, shown: Callable[[Console, Any], None]) -> None:
        if self._as_json:
            print(json.dumps({"event": "result", **report.as_json()}), flush=True)
        else:
            shown(self.console, report)

    def error(self, error: ProEngineError) -> None:
        """In a sentence on standard error, and for machines as a line; of what needs rulings there is a report."""
        if (report := error.details.get("report")) is not None:
            self.result(report, show.show_audit)
        elif self._as_json:
            print(json.dumps({"event": "error", "code": error.code, "message": error.message}), flush=True)
        sys.stderr.write(f"pro-engine: {error.message} ({error.code})\n")


def migrate(options: argparse.Namespace) -> int:
    """Exit status: 0 when it is done, and otherwise what docs/migration.md says.

    Raises:
        WrongSettings: an option or the environment cannot be used.
    """
    telling = Telling(as_json=options.json)
    work = work_of(options.legacy, options.work)
    try:
        if options.action == "status":
            telling.result(status(work), show.show_status)
            return 0
        _confirm(options)
        with shown_progress(telling.console, as_json=options.json) as progress, opened_desk(work, progress) as desk:
            report, shown, code = _do(options, work, desk)
        telling.result(report, shown)
    except tuple(kind for kind, _ in EXITS) as error:
        telling.error(error)
        return next(code for kind, code in EXITS if isinstance(error, kind))
    return code


Outcome = tuple[Any, Callable[[Console, Any], None], int]


def _do(options: argparse.Namespace, work: Work, desk: Desk) -> Outcome:
    match options.action:
        case "audit":
            report = audit(work, _choices(options), asyncio.run(_tiers(desk)), desk.progress)
            return report, show.show_audit, RULINGS if report.unruled else 0
        case "backup":
            made = backup(work, desk.ledger, desk.journal, desk.progress)
            return made, lambda console, one: show.show_backup(console, one, str(work.backup)), 0
        case "cleanup":
            return cleanup(desk, options.keep), show.show_cleanup, 0
    steps: dict[str, Callable[[argparse.Namespace, Migration], Awaitable[Outcome]]] = {
        "plan": _plan,
        "apply": _apply,
        "verify": _verify,
        "rollback": _rollback,
    }
    return asyncio.run(_with_project(options, desk, steps[options.action]))


def _choices(options: argparse.Namespace) -> Choices:
    return Choices(options.timezone, options.default_tier, read_rulings(options.rules, options.rule))


async def _tiers(desk: Desk) -> list[str]:
    """The project's, where one is named; an audit does without as well."""
    if not os.environ.get("SUPABASE_URL") or not any(os.environ.get(name) for name in KEYS):
        return list(TIERS)
    async with opened_migration(desk, destination(os.environ), Tempo(patience=10.0)) as migration:
        return await migration.data.tiers()


async def _with_project(
    options: argparse.Namespace, desk: Desk, step: Callable[[argparse.Namespace, Migration], Awaitable[Outcome]]
) -> Outcome:
    tempo = Tempo(options.patience, options.admin_rate, options.at_once, options.batch, options.batches_at_once)
    async with opened_migration(desk, destination(os.environ), tempo) as migration:
        return await step(options, migration)


async def _plan(options: argparse.Namespace, migration: Migration) -> Outcome:
    return await plan(migration, _choices(options)), show.show_plan, 0


async def _apply(options: argparse.Namespace, migration: Migration) -> Outcome:
    report = await apply(migration)
    if options.send_recovery:
        report = replace(report, mails=await send_recoveries(migration))
    return report, show.show_apply, 0 if report.is_complete else INCOMPLETE


async def _verify(options: argparse.Namespace, migration: Migration) -> Outcome:
    report = await verify(migration, read_canaries(options.canaries), accept_refused=options.accept_refused)
    return report, show.show_verify, 0 if report.is_green else NOT_GREEN


async def _rollback(options: argparse.Namespace, migration: Migration) -> Outcome:
    report = await rollback(migration, let_stay=options.let_stay)
    return report, show.show_rollback, 0 if report.is_complete or options.let_stay else INCOMPLETE


def _confirm(options: argparse.Namespace) -> None:
    """Raises WrongSettings where nobody is there to ask, MigrationRefused where the answer is not yes."""
    what = REMOVES.get(options.action)
    if what is None or options.yes:
        return
    if not sys.stdin.isatty():
        raise WrongSettings(f"{what} Say --yes to mean it")
    if input(f"{what} Type yes to go on: ").strip() != "yes":
        raise MigrationRefused("nothing was done")
