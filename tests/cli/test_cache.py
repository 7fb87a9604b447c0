"""`pro-engine cache` and `pro-engine queue` against a running service."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import Service
from tests.cli.conftest import Command


async def test_the_cache_is_shown_and_cleared(command: Command, published: Service) -> None:
    await published.submit()
    shown = await command("cache")
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("1 results are kept, 0.0 of 10240 MiB, each for 24 hours")
    assert "nobody has fetched yet" in shown.out
    assert json.loads((await command("cache", "show", "--json")).out)["entries"] == 1
    assert (await command("cache", "clear")).out.startswith("0 files removed. 1 results are kept")
    cleared = await command("cache", "clear", "--unfetched")
    assert cleared.out.startswith("1 files removed. 0 results are kept")


async def test_the_queue_is_held_and_goes_on(command: Command, published: Service) -> None:
    assert (await command("queue")).out.splitlines()[0] == "The queue is open."
    held = await command("queue", "pause")
    assert held.out.startswith("The queue is held: `pro-engine queue resume`")
    assert published.parts.queue.paused
    assert json.loads((await command("queue", "resume", "--json")).out)["paused"] is False
    assert not published.parts.queue.paused


@pytest.mark.parametrize("words", [("cache",), ("cache", "clear"), ("queue", "pause"), ("models",)])
async def test_without_a_service_they_say_so(command: Command, words: tuple[str, ...]) -> None:
    ended = await command(*words)
    assert ended.status == 69
    assert "no service is running" in ended.err
    assert ended.out == ""


async def test_the_models_are_listed(command: Command, published: Service) -> None:
    assert published.port
    shown = await command("models")
    assert shown.status == 0
    assert "lanczos (what `auto` comes to)" in shown.out
    assert json.loads((await command("models", "--json")).out)["models"][0]["available"] is True
