"""What a value is in TOML, as text, and in TOML again."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.settings_table.kinds import Kind, literal, text_of, value_of

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.text(letters, min_size=1).filter(lambda word: bool(word.strip()) and "," not in word)
VALUES = {
    Kind.TEXT: words,
    Kind.MAYBE_TEXT: words | st.just(""),
    Kind.WORDS: st.lists(words.map(str.strip), min_size=1),
    Kind.WHOLE: st.integers(),
    Kind.NUMBER: st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False)),
    Kind.TRUTH: st.booleans(),
    Kind.FOLDER: words.map(lambda word: f"/{word}"),
}


@pytest.mark.parametrize("kind", list(Kind))
@given(drawn=st.data())
def test_a_value_is_the_same_after_the_way_through_text_and_back(kind: Kind, drawn: st.DataObject) -> None:
    value = drawn.draw(VALUES[kind])
    text = text_of(kind, value)
    assert text is not None
    assert value_of(kind, text) == value or kind is Kind.FOLDER
    written: Any = tomllib.loads(f"key = {literal(kind, text)}")["key"]
    assert text_of(kind, written) == text


@pytest.mark.parametrize("kind", list(Kind))
@given(
    value=st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.binary())
)
def test_a_value_of_another_kind_has_no_text(kind: Kind, value: Any) -> None:
    taken: dict[Kind, type | tuple[type, ...]] = {
        Kind.TEXT: str,
        Kind.MAYBE_TEXT: str,
        Kind.WORDS: (str, list),
        Kind.WHOLE: int,
        Kind.NUMBER: (int, float),
        Kind.TRUTH: bool,
        Kind.FOLDER: str,
    }
    if text_of(kind, value) is not None:
        assert isinstance(value, taken[kind])
        assert isinstance(value, bool) is (kind is Kind.TRUTH)
