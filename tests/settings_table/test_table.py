"""The table itself: whole, without a setting twice, and its defaults right by its own rules."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.settings_table import EVERY, SECTIONS, SHOWN, internal, no_such, own, supervisors, unknown_variables
from daemon.settings_table.setting import Setting

ENV = {"HOME": "/home/ann"}


def test_every_setting_that_is_described_stands_in_it_once() -> None:
    described = [
        setting for module in (own, internal) for setting in vars(module).values() if isinstance(setting, Setting)
    ]
    described += supervisors.SUPERVISORS
    assert len(EVERY) == len({setting.key for setting in EVERY})
    assert {setting.key for setting in described} == {setting.key for setting in EVERY}


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.key)
def test_each_default_is_right_by_its_own_rule(setting: Setting[Any]) -> None:
    setting.form.parse(setting.default_text(ENV))


@pytest.mark.parametrize("setting", SHOWN, ids=lambda setting: setting.key)
def test_each_can_be_shown_to_a_person(setting: Setting[Any]) -> None:
    assert setting.does[0].isupper()
    assert not setting.does.endswith(".")
    assert "|" not in setting.does + setting.form.must_be, "the page has them in a table"
    assert setting.default_is or (isinstance(setting.default, str) and setting.default)
    assert not setting.internal


def test_titles_are_short_enough_for_the_first_column() -> None:
    widest = max(len(setting.key) for setting in SHOWN)
    assert all(len(title) <= widest for title, _ in SECTIONS)


def test_a_slip_gets_the_name_that_was_meant() -> None:
    assert no_such("prot") == "there is no setting 'prot'; is it 'port'?"
    assert no_such("zzzzzz") == "there is no setting 'zzzzzz'"


def test_a_variable_that_is_none_of_ours_is_told() -> None:
    names = ["HOME", "PRO_ENGINE_PROT", "PRO_ENGINE_PORT", "PRO_ENGINE_STANDBY", "PRO_ENGINE_CONFIG", "PRO_ENGINE_ZZZ"]
    first, second = unknown_variables(names)
    assert first == "PRO_ENGINE_PROT is no setting; is it 'PRO_ENGINE_PORT'?"
    assert second.startswith("PRO_ENGINE_ZZZ is no setting")
