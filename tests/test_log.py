"""The log: what it tells and what it must not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from daemon import log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_traceback_says_where_and_shows_no_variables(
    form: Literal["json", "pretty"], capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens and secrets are variables too."""
    log.set_up(form)

    def breaks(token: str) -> None:
        raise RuntimeError("what went wrong")

    try:
        breaks("hidden-token"[:12])
    except RuntimeError:
        structlog.get_logger("test").exception("broke")
    written = capsys.readouterr().err
    assert "what went wrong" in written
    assert "test_log.py" in written
    assert "hidden-token" not in written.replace('"hidden-token"[:12]', "")
