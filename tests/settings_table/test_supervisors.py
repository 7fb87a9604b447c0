"""The table and the supervisor, which never import each other, say the same of its settings."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.settings_table import EVERY, SHOWN
from daemon.settings_table.own import HOST, LOG_FORMAT, PORT
from daemon.settings_table.setting import Setting
from daemon.settings_table.supervisors import SUPERVISORS
from supervisor.errors import WrongSettings
from supervisor.settings import read_settings

GIVEN = {"PRO_ENGINE_STATE_DIR": "/var/lib/x"}
WITH_LIMITS: list[Setting[Any]] = [HOST, PORT, LOG_FORMAT, *SUPERVISORS]


def test_the_defaults_are_the_same() -> None:
    told = {setting.variable: setting.default_text({}) for setting in WITH_LIMITS}
    assert read_settings(GIVEN | told) == read_settings(GIVEN)


def test_each_variable_of_the_supervisor_is_one_of_the_table() -> None:
    source = Path(sys.modules["supervisor.settings"].__file__ or "").read_text()
    read = set(re.findall(r'"(PRO_ENGINE_[A-Z_]+)"', source))
    assert read >= {setting.variable for setting in WITH_LIMITS}
    assert read <= {setting.variable for setting in EVERY}


@pytest.mark.parametrize("setting", WITH_LIMITS, ids=lambda setting: setting.key)
def test_both_give_a_right_value_the_same_meaning(setting: Setting[Any]) -> None:
    """Each default of another setting that it takes too, so that no two variables are mixed up."""
    other = "::1" if setting is HOST else "json" if setting is LOG_FORMAT else "77"
    assert read_settings(GIVEN | {setting.variable: other}) != read_settings(GIVEN)
    assert setting.form.parse(other) != setting.form.parse(setting.default_text({}))


@given(
    setting=st.sampled_from(WITH_LIMITS),
    text=st.one_of(
        st.text("0123456789.eE+-_naif:³", min_size=1, max_size=8),
        st.integers(-1, 100_000).map(str),
        st.floats().map(str),
        st.ip_addresses().map(str),
        st.sampled_from(["auto", "json", "pretty", "xml", "localhost"]),
    ),
)
def test_what_the_one_takes_the_other_takes_too(setting: Setting[Any], text: str) -> None:
    """Else `pro-engine config` would find right what ends the supervisor with 78."""
    try:
        setting.form.parse(text)
    except ValueError:
        with pytest.raises(WrongSettings, match=setting.variable):
            read_settings(GIVEN | {setting.variable: text})
    else:
        read_settings(GIVEN | {setting.variable: text})


def test_what_only_it_reads_holds_until_it_is_restarted() -> None:
    assert not any(setting.reload for setting in SUPERVISORS)
    assert {setting.key for setting in SHOWN if not setting.reload} == {
        *(setting.key for setting in SUPERVISORS),
        *("state_dir", "cache_dir", "host", "port"),
    }
