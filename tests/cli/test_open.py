"""`pro-engine open`: the page's address with a code that logs in, and never the token."""

from __future__ import annotations

from pathlib import Path

from tests.api.conftest import Service
from tests.api.test_login import log_in
from tests.cli.conftest import Command


async def test_it_prints_an_address_that_logs_in_once(command: Command, published: Service) -> None:
    ended = await command("open", "--print")
    assert (ended.status, ended.err) == (0, "")
    address, _, code = ended.out.strip().partition("/#")
    assert address == f"http://127.0.0.1:{published.port}"
    assert published.token not in ended.out
    assert (await log_in(published, code))[1] == {"token": published.token}
    assert (await log_in(published, code))[0] == 403


async def test_it_starts_the_users_browser(command: Command, published: Service, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o700)
    ended = await command("open", BROWSER=str(browser))
    assert (ended.status, ended.out) == (0, "")
    opened = (tmp_path / "opened").read_text()
    assert opened.startswith(f"http://127.0.0.1:{published.port}/#")


async def test_where_there_is_no_browser_it_says_what_to_do(command: Command, published: Service) -> None:
    ended = await command("open", BROWSER="", PATH="/nonexistent", DISPLAY="")
    assert ended.status == 1
    assert ended.out.startswith("http://127.0.0.1:")
    assert "within a minute" in ended.err
