"""docs/migration.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

from daemon.cli import migrate
from daemon.cli.__main__ import EXIT_CONFIG
from daemon.cli.migrate_parser import ACTIONS
from daemon.migrate.rulings import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)


def test_it_has_every_ruling_and_its_choices() -> None:
    told = {cell.strip("`").partition(":")[0]: rest for cell, rest in ROWS if cell.startswith("`")}
    assert told.keys() == RULES.keys()
    for kind, rule in RULES.items():
        choices = told[kind].rpartition("|")[2]
        assert re.findall(r"`(.+?)`", choices) == list(rule.values), kind


def test_it_has_every_exit_status() -> None:
    told = {int(cell) for cell, _ in ROWS if cell.isdigit()}
    assert told == {0, EXIT_CONFIG, migrate.INCOMPLETE, migrate.NOT_GREEN} | {code for _, code in migrate.EXITS}


def test_it_names_every_step_and_every_option() -> None:
    for action, _ in ACTIONS:
        assert f"pro-engine migrate {action}" in PAGE, action
    of_files = ("--work", "--rule", "--rules", "--timezone", "--default-tier", "--canaries", "--keep")
    of_projects = ("--patience", "--admin-rate", "--batch", "--send-recovery", "--accept-refused", "--let-stay")
    for option in (*of_files, *of_projects, "--json"):
        assert option in PAGE, option
