"""Writes docs/settings.md from the table of settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.settings_table import SECTIONS
from daemon.settings_table.setting import PREFIX, Setting
from scripts.markdown import table

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = f"""\
<!-- Made by scripts/settings_page.py from daemon/settings_table: change it there, and run `make settings-page`. -->

# Settings

A setting stands in one file, in the environment, or nowhere, which means its default. The environment wins over the
file. In the environment its name has capitals and the prefix `{PREFIX}`: `port` is `{PREFIX}PORT`.

The file is `config.toml` in `~/.config/pro-engine/` (or under `$XDG_CONFIG_HOME`), in
`~/Library/Application Support/pro-engine/` on macOS, and in `/etc/pro-engine/` for a service of the whole machine;
`{PREFIX}CONFIG` names another one, which then must be there. It is TOML:

```toml
port = 3010
device = ["gpu", "cpu"]
cache_hours = 48
```

`pro-engine config` shows each value, where it came from and what it does; `pro-engine config --example` prints a file
of all settings to start from. A value that is wrong, or a key that there is not, ends a start with the sentence that
names it and exit code 78.

A change in the file is taken up by a reload (`systemctl reload`, `systemctl --user reload`, or SIGHUP to
`pro-engine run`), during which nobody is refused. A reload with a wrong file changes nothing: the log says why.
Settings marked *restart* hold for as long as the supervisor lives; where the file has changed one, the log says
`setting_needs_restart`. What is set in the environment always needs a restart.
"""


def page() -> str:
    return HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    for title, rows in SECTIONS:
        yield f"\n## {title}\n\n"
        yield from (f"{line}\n" for line in table(("setting", "default", "must be", ""), map(_row, rows)))


def _row(setting: Setting[Any]) -> tuple[str, ...]:
    restart = "" if setting.reload else " *(restart)*"
    return f"`{setting.key}`", _default(setting), setting.form.must_be, f"{setting.does}{restart}"


def _default(setting: Setting[Any]) -> str:
    if setting.default_is:
        return setting.default_is
    assert isinstance(setting.default, str), f"{setting.key} needs words for its default"
    return f"{setting.default} {setting.form.unit}".strip().replace(",", ", ")


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
