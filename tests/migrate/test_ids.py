from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from daemon.migrate import ids

PROJECT = "https://abc.supabase.co"


@given(st.integers(-(1 << 63), (1 << 63) - 1))  # as many as SQLite has
def test_a_number_is_the_same_id_whatever_type_it_is_kept_in(number: int) -> None:
    assert ids.legacy_key(number) == ids.legacy_key(str(number)) == ids.legacy_key(f" {number} ") == str(number)


def test_a_whole_float_is_a_number_and_a_broken_one_is_no_id() -> None:
    assert (ids.legacy_key(5.0), ids.legacy_key(5.5)) == ("5", None)


@given(st.uuids())
def test_a_uuid_is_the_same_id_however_it_is_written(one: uuid.UUID) -> None:
    forms = [str(one), str(one).upper(), one.hex, f" {one} ", one.bytes]
    assert {ids.legacy_key(form) for form in forms} == {str(one)}


def test_nothing_is_no_id() -> None:
    assert [ids.legacy_key(value) for value in (None, "", "  ")] == [None, None, None]


@given(st.text(min_size=1))
def test_an_id_that_is_made_has_the_shape_of_version_4_and_is_made_once(key: str) -> None:
    made = ids.user_id(PROJECT, key)
    assert made == ids.user_id(PROJECT, key)
    found = uuid.UUID(ids.as_text(made))
    assert (found.version, found.variant) == (4, uuid.RFC_4122) or key.strip() != key or len(key) >= 32


@given(
    st.lists(st.text(), unique=True, min_size=2, max_size=2), st.lists(st.text(), unique=True, min_size=2, max_size=2)
)
def test_other_rows_tables_and_projects_have_other_ids(keys: list[str], projects: list[str]) -> None:
    made = {ids.event_id(project, "usage_logs", key) for project in projects for key in keys}
    made |= {ids.fresh_user_id(project, key) for project in projects for key in keys}
    assert len(made) == 8


@given(st.uuids())
def test_an_old_uuid_stays_a_users_id(one: uuid.UUID) -> None:
    assert ids.user_id(PROJECT, str(one)) == one.bytes
    assert ids.fresh_user_id(PROJECT, str(one)) != one.bytes


def test_the_nil_uuid_which_no_project_takes_is_replaced() -> None:
    assert ids.user_id(PROJECT, str(uuid.UUID(int=0))) != bytes(16)


@given(st.uuids())
def test_text_and_bytes_are_two_forms_of_one(one: uuid.UUID) -> None:
    assert (ids.as_text(one.bytes), ids.as_bytes(str(one))) == (str(one), one.bytes)
