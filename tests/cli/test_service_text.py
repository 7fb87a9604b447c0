"""Units are filled in so that systemd and launchd read what was meant, and are known again."""

from __future__ import annotations

import plistlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.service_text import Standing, fill, plist_strings, standing, unit_command
from daemon.errors import ServiceRefused

TEMPLATE = "# head\n# pro-engine-sha256: @sha256@\n\n[Service]\nExecStart=@command@ run\n"
WORDS = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=30)


def filled(command: str = "/opt/a") -> str:
    return fill(TEMPLATE, {"command": command})


def test_what_was_written_is_known_again() -> None:
    assert standing(None, filled()) is Standing.MISSING
    assert standing(filled(), filled()) is Standing.CURRENT
    assert standing(filled("/opt/b"), filled()) is Standing.OURS
    assert standing("[Service]\n", filled()) is Standing.FOREIGN
    assert standing("", filled()) is Standing.FOREIGN


@given(at=st.integers(0, len(filled())), letter=st.sampled_from(string.printable))
def test_an_edit_anywhere_is_seen(at: int, letter: str) -> None:
    edited = filled()[:at] + letter + filled()[at:]
    assert standing(edited, filled()) in {Standing.EDITED, Standing.FOREIGN}


@given(WORDS)
def test_whatever_a_path_holds_it_is_filled_in_as_it_is_and_signed(path: str) -> None:
    text = filled(path)
    assert f"ExecStart={path} run\n" in text
    assert standing(text, "") is Standing.OURS


def test_a_value_that_looks_like_a_placeholder_stays_one() -> None:
    assert "ExecStart=/a/@command@/@sha256@ run" in filled("/a/@command@/@sha256@")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("/opt/bin/pro-engine",), '"/opt/bin/pro-engine"'),
        (("/opt/my apps/pro-engine",), '"/opt/my apps/pro-engine"'),
        (("/opt/100%/p",), '"/opt/100%%/p"'),
        (("/opt/a", 'x "y" \\z'), '"/opt/a" "x \\"y\\" \\\\z"'),
        (("/opt/$a", "-m", "$HOME"), '"/opt/$a" "-m" "$$HOME"'),
        (("/opt/größe",), '"/opt/größe"'),
    ],
)
def test_words_are_quoted_for_systemd(words: tuple[str, ...], line: str) -> None:
    assert unit_command(words) == line


@pytest.mark.parametrize("path", ["/opt/a\nExecStartPre=/bin/x", "/opt/a\x00", "/opt/\udcff", "/opt/\t", "/opt/\x7f"])
def test_a_path_that_no_unit_can_hold_is_refused(path: str) -> None:
    with pytest.raises(ServiceRefused, match="no unit can hold"):
        unit_command((path,))
    with pytest.raises(ServiceRefused, match="no unit can hold"):
        plist_strings((path,))


@pytest.mark.parametrize("path", ["/opt/it's", '/opt/"a"', "/opt/a\\b"])
def test_a_program_that_systemd_would_not_take_is_refused(path: str) -> None:
    with pytest.raises(ServiceRefused, match="no unit can hold"):
        unit_command((path,))


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_words_of_a_plist_come_back_as_they_were(words: list[str]) -> None:
    text = f'<plist version="1.0"><array>\n{plist_strings(words)}\n</array></plist>'
    assert plistlib.loads(text.encode()) == words
