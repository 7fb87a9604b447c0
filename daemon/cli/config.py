"""`pro-engine config`: each setting's value, where it came from and what it does; or a file of them all."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from daemon import settings
from daemon.cli.config_example import example
from daemon.config_file import ConfigFile, read_config
from daemon.errors import NotFound
from daemon.settings_lookup import Found, Lookup
from daemon.settings_table import BY_KEY, SECTIONS, SHOWN, no_such, unknown_variables
from daemon.settings_table.kinds import value_of
from daemon.settings_table.setting import PREFIX, Setting

FOOTER: Final = (
    "A change in the file counts from the next reload (SIGHUP, `systemctl reload`) on, or from the next restart where "
    "that is said; a change of the environment from the next restart."
)


def config(options: argparse.Namespace) -> int:
    """Show the settings as a service would read them that started here and now.

    Raises:
        WrongSettings: one of them is wrong, whichever were asked for.
        NotFound: a key is no setting's.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a folder's name may be no UTF-8
    if options.example:
        print(example(os.environ), end="")
        return 0
    settings.read()
    lookup = Lookup(os.environ, read_config(os.environ))
    keys = frozenset(map(_known, options.keys)) or frozenset(BY_KEY)
    if options.json:
        print(json.dumps(_document(lookup, keys), indent=2))
        return 0
    print(_file_line(lookup.file))
    if sys.stdout.isatty():
        Console(highlight=False).print(_table(lookup, keys))
        print(FOOTER)
    else:
        print("\n".join(_columns(lookup, keys)))
    for sentence in unknown_variables(os.environ):
        sys.stderr.write(f"pro-engine: {sentence}\n")
    return 0


def _known(word: str) -> str:
    """The key that a word means, which may be the variable's name."""
    key = word.lower().replace("-", "_").removeprefix(PREFIX.lower())
    if key not in BY_KEY:
        raise NotFound(no_such(key))
    return key


def _file_line(file: ConfigFile) -> str:
    return f"settings file: {file.path}" + ("" if file.exists else " (does not exist)")


def _document(lookup: Lookup, keys: frozenset[str]) -> dict[str, Any]:
    return {
        "file": {"path": str(lookup.file.path), "exists": lookup.file.exists},
        "settings": [_entry(setting, lookup) for setting in SHOWN if setting.key in keys],
        "unknown_variables": unknown_variables(lookup.env),
    }


def _entry(setting: Setting[Any], lookup: Lookup) -> dict[str, Any]:
    kind, found = setting.form.kind, lookup.find(setting)
    return {
        "key": setting.key,
        "variable": setting.variable,
        "value": value_of(kind, found.text),
        "default": value_of(kind, setting.default_text(lookup.env)),
        "unit": setting.form.unit,
        "source": found.source,
        "does": setting.does,
        "must_be": setting.form.must_be,
        "takes_effect": takes_effect(setting),
    }


def takes_effect(setting: Setting[Any]) -> str:
    """What it takes for a new value in the file to count."""
    return "reload" if setting.reload else "restart"


def _shown(setting: Setting[Any], found: Found) -> str:
    return f"{found.text} {setting.form.unit}".strip() or "none"


def _table(lookup: Lookup, keys: frozenset[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    for name in ("value", "from", "what it does"):
        table.add_column(name, overflow="fold")
    for title, rows in SECTIONS:
        if not (chosen := [setting for setting in rows if setting.key in keys]):
            continue
        table.add_row(f"[bold]{escape(title)}[/bold]")
        for setting in chosen:
            found = lookup.find(setting)
            does = escape(setting.does) + ("" if setting.reload else " [yellow](restart)[/yellow]")
            value = escape(re.sub(", *", ", ", _shown(setting, found)))
            source = f"[dim]{found.source}[/dim]" if found.is_default else escape(found.source)
            table.add_row(setting.key, value if found.is_default else f"[green]{value}[/green]", source, does)
        table.add_section()
    return table


def _columns(lookup: Lookup, keys: frozenset[str]) -> Iterable[str]:
    """One line a setting, however long: for a pipe."""
    rows = []
    for setting in SHOWN:
        if setting.key in keys:
            found = lookup.find(setting)
            rows.append((setting.key, _shown(setting, found), found.source, takes_effect(setting), setting.does))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, does in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), does])
