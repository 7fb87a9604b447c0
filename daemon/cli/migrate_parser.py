"""What can be said to `pro-engine migrate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.migrate.defaults import TIER, ZONE, Tempo

ACTIONS = (
    ("audit", "Look through the old file: what is in it, and what needs a ruling. Changes nothing."),
    ("backup", "Copy the old file, while it may be in use, and check the copy."),
    ("plan", "Say exactly what will be created, linked and left out. Changes nothing in the project."),
    ("apply", "Move users and logs by the plan; run again, it goes on where it was."),
    ("status", "Show where the migration stands."),
    ("verify", "Read everything again, on both sides, and compare."),
    ("rollback", "Take back what was made and nobody has used since, after writing it down."),
    ("cleanup", "Remove users and what is theirs from the old file; the backup stays."),
)


def add_migrate(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(required=True, metavar="ACTION", dest="action")
    for name, says in ACTIONS:
        action = actions.add_parser(name, help=says, description=says)
        action.add_argument("legacy", type=Path, metavar="FILE", help="the old app's file, such as pro-upscaler.db")
        action.add_argument("--work", type=Path, metavar="FOLDER", help="default: FILE.migration")
        action.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
        if name in {"audit", "plan"}:
            _add_choices(action)
        if name in {"plan", "apply", "verify", "rollback"}:
            _add_tempo(action)
        if name == "apply":
            action.add_argument(
                "--send-recovery", action="store_true", help="then mail those whose password could not be carried"
            )
        if name == "verify":
            action.add_argument(
                "--canaries", type=Path, metavar="FILE", help="lines of email:password to sign in with, once each"
            )
            action.add_argument("--accept-refused", action="store_true", help="green without what the project refused")
        if name == "cleanup":
            action.add_argument(
                "--keep", action="append", default=[], metavar="TABLE", help="leave this table as it is"
            )
        if name == "rollback":
            action.add_argument("--let-stay", action="store_true", help="be done with it, whoever stays")
        if name in {"rollback", "cleanup"}:
            action.add_argument("--yes", action="store_true", help="do not ask")


def _add_choices(action: argparse.ArgumentParser) -> None:
    add = action.add_argument
    add("--rules", type=Path, metavar="TOML", help="a file of rulings")
    add("--rule", action="append", default=[], metavar="KEY=VALUE", help="a ruling, as orphans=skip; audit lists them")
    add("--timezone", default=ZONE, metavar="ZONE", help="of times that name none (default: %(default)s)")
    add("--default-tier", default=TIER, metavar="TIER", help="of users who have none (default: %(default)s)")


def _add_tempo(action: argparse.ArgumentParser) -> None:
    usual, add = Tempo(), action.add_argument
    says = "with a project that is out of reach or busy (default: %(default)g)"
    add("--patience", type=_positive, default=usual.patience, metavar="SECONDS", help=says)
    add("--admin-rate", type=_positive, default=usual.admin_rate, metavar="N", help="calls a second for users, at most")
    add("--at-once", type=_count, default=usual.at_once, metavar="N", help="users on their way at once")
    add("--batch", type=_count, default=usual.batch, metavar="N", help="logs in one request")
    add("--batches-at-once", type=_count, default=usual.batches_at_once, metavar="N", help="such requests at once")


def _positive(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
