from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.migrate.emails import digest, normalized


@pytest.mark.parametrize("email", ["Ann@Example.org", " ann@example.ORG ", b"ANN@example.org"])
def test_case_and_blanks_around_it_do_not_make_another_address(email: Any) -> None:
    assert normalized(email) == "ann@example.org"


@pytest.mark.parametrize(
    "email",
    [
        *(None, "", "ann", "ann@", "@example.org", "ann@example", "a b@example.org", "ann@exa mple.org", 5),
        *("ann@@example.org", "ann@example..org", "ann\n@example.org", "änn@example.org", "ann@-example.org"),
        *("a" * 250 + "@example.org", "ann@example.org\0"),
    ],
)
def test_what_is_no_address_is_none(email: Any) -> None:
    assert normalized(email) is None


@given(st.emails())
def test_an_address_stays_what_it_is_once_it_is_normal(email: str) -> None:
    once = normalized(email)
    assert once is None or normalized(once) == once == email.strip().lower()


def test_the_ledgers_name_for_an_address_tells_nothing_to_who_has_another_run() -> None:
    assert digest("ann@example.org", "one run") == digest("ANN@example.org", "one run")
    assert digest("ann@example.org", "one run") != digest("ann@example.org", "another run")
