from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import WrongSettings
from daemon.migrate.rulings import RULES, UNRULED, read_rulings

NAMED = [kind for kind, rule in RULES.items() if rule.is_named]
PLAIN = [(kind, value) for kind, rule in RULES.items() for value in rule.values if not rule.is_named]


@given(st.lists(st.sampled_from(PLAIN)))
def test_the_last_ruling_of_a_kind_holds(rulings: list[tuple[str, str]]) -> None:
    read = read_rulings(None, [f"{kind}={value}" for kind, value in rulings])
    assert read.values == dict(rulings)
    assert all(read.of(kind) == dict(rulings).get(kind) for kind in RULES)


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["2x", "4x", "8x", "skip"]))
def test_any_name_can_be_ruled_on_and_no_other_one_is(name: str, scale: str) -> None:
    read = read_rulings(None, [f"unknown-type:{name}={scale}"])
    assert (read.of("unknown-type", name), read.of("unknown-type", f"{name}!")) == (scale, None)


def test_a_ruling_without_a_name_is_about_all_that_have_none() -> None:
    read = read_rulings(None, ["unknown-type=2x", "unknown-type:turbo=8x"])
    assert [read.of("unknown-type", name) for name in ("turbo", "other")] == ["8x", "2x"]
    assert sorted(read.named("unknown-type")) == ["2x", "8x"]
    assert read.rule("orphans", "5") == UNRULED


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["2x", "skip"]), max_size=5))
def test_a_file_says_what_options_say(names: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.toml"
        lines = [f"{toml(name)} = {json.dumps(value)}" for name, value in names.items()]
        file.write_text("\n".join(['orphans = "skip"', "[unknown-type]", *lines]), encoding="utf-8")
        read = read_rulings(file, [])
        assert read.values == {"orphans": "skip"} | {f"unknown-type:{name}": value for name, value in names.items()}
        assert read_rulings(file, ["unknown-type:x=8x"]).of("unknown-type", "x") == "8x"


def toml(name: str) -> str:
    """As a quoted key."""
    return '"' + "".join(one if one.isalnum() and one.isascii() else f"\\U{ord(one):08x}" for one in name) + '"'


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("orphans", "key=value"),
        ("orphans=keep", "one of skip"),
        ("orphan=skip", "there is no ruling 'orphan'"),
        ("orphans:5=skip", "takes no name"),
        ("unknown-type:turbo=16x", "one of 2x, 4x, 8x, skip"),
    ],
)
def test_a_ruling_that_cannot_be_understood_says_what_could_be(option: str, says: str) -> None:
    with pytest.raises(WrongSettings, match=says):
        read_rulings(None, [option])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("orphans = ")
    for name in ("rules.toml", "none.toml"):
        with pytest.raises(WrongSettings, match="cannot be read"):
            read_rulings(tmp_path / name, [])
