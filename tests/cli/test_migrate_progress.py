from __future__ import annotations

import json

import pytest

from daemon.cli.migrate_progress import Lines


def test_a_line_a_second_at_most_and_always_the_first_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(lambda: now)
    lines.begin("logs", 1000)
    for _ in range(10):
        now += 0.25
        lines.advance(100)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["done"] for line in told] == [0, 400, 800, 1000]
    assert [line["per_second"] for line in told] == [None, 400.0, 400.0, 400.0]
    assert [line["seconds_left"] for line in told] == [None, 1.5, 0.5, 0.0]
    assert {(line["event"], line["what"], line["total"]) for line in told} == {("progress", "logs", 1000)}
