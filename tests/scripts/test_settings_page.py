from __future__ import annotations

from daemon.settings_table import SHOWN
from scripts.settings_page import PAGE, page


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: run `make settings-page`"


def test_every_setting_has_its_line() -> None:
    lines = page().splitlines()
    for setting in SHOWN:
        assert sum(line.startswith(f"| `{setting.key}` | ") for line in lines) == 1
