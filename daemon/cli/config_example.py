"""A file of all settings at their defaults, commented out: a value that is set outlives a better default."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.config_file import path_of
from daemon.settings_table import SECTIONS
from daemon.settings_table.kinds import literal
from daemon.settings_table.setting import Setting

WIDTH: Final = 100


def example(env: Mapping[str, str]) -> str:
    """The text; a line `#key = value` sets what it says once its `#` is gone."""
    return "\n".join(_lines(env)) + "\n"


def _lines(env: Mapping[str, str]) -> Iterator[str]:
    yield from _comment(
        f"The settings of Pro Engine, each at its default. They are read in {path_of(env)}; "
        "what is to count loses the # before its name."
    )
    yield from _comment("`pro-engine config` shows what is set, and where.")
    for title, rows in SECTIONS:
        yield f"\n\n# --- {title} ---"
        for setting in rows:
            yield ""
            yield from _comment(_says(setting))
            yield f"#{setting.key} = {literal(setting.form.kind, setting.default_text(env))}"


def _says(setting: Setting[Any]) -> str:
    unit = f" In {setting.form.unit}." if setting.form.unit else ""
    restart = "" if setting.reload else " A change needs a restart."
    return f"{setting.does}.{unit}{restart}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
