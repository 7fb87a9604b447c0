"""The supervisor's log: a reader that stalls, or goes, holds up no supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

FLOODS = """
import os, sys
import structlog
from supervisor.log import set_up_logging
from supervisor.log import LogFormat
set_up_logging(LogFormat.JSON)
for number in range(100_000):
    structlog.get_logger().info("line", number=number)
os.write(1, b"logged\\n")
sys.stdin.readline()
"""
SAYS = """
import logging
import structlog
from supervisor.log import say, set_up_logging
from supervisor.log import LogFormat
set_up_logging(LogFormat.{form})
say("A plain sentence.")
logging.getLogger("asyncio").error("what %s says", "asyncio")
try:
    raise RuntimeError("went wrong")
except RuntimeError:
    structlog.get_logger().exception("broke")
raise ValueError("nobody caught this one")
"""


def test_a_reader_that_stalls_stops_nothing_and_is_told_later_what_it_missed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FLOODS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"logged\n"  # all of them, and nobody has read one
    lines: list[dict[str, Any]] = []
    while not lines or lines[-1]["event"] != "log_lines_dropped":
        lines.append(json.loads(process.stderr.readline()))
    numbers = [line["number"] for line in lines[:-1]]
    assert numbers == sorted(set(numbers)), "in order, each once"
    assert len(lines) - 1 + lines[-1]["count"] == 100_000
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    process.stderr.close()


def test_an_end_waits_a_second_for_a_reader_that_stalls_and_no_longer() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FLOODS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()
    ended = time.monotonic()
    assert process.wait(10) == 0
    assert 0.5 < time.monotonic() - ended < 5
    process.communicate()


def test_a_reader_that_has_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [sys.executable, "-c", FLOODS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing
    )
    os.close(writing)
    assert process.communicate(timeout=30)[0] == b"logged\n"
    assert process.returncode == 0


def test_everything_is_a_line_of_json_but_what_is_said_to_a_person() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SAYS.format(form="JSON")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    said, *lines = ended.stderr.splitlines()
    assert said == "A plain sentence."
    found = [json.loads(line) for line in lines]
    assert [line["event"] for line in found] == ["python", "broke", "supervisor_broke"]
    assert {line["component"] for line in found} == {"supervisor"}
    assert found[0]["message"] == "what asyncio says"
    assert "RuntimeError: went wrong" in found[1]["exception"]
    assert "ValueError: nobody caught this one" in found[2]["exception"]


def test_pretty_lines_have_no_colours_where_there_is_no_terminal() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SAYS.format(form="AUTO")], capture_output=True, text=True, check=False
    )
    assert "\x1b" not in ended.stderr
    pretty = subprocess.run(
        [sys.executable, "-c", SAYS.format(form="PRETTY")], capture_output=True, text=True, check=False
    )
    assert "\x1b" not in pretty.stderr
    assert "RuntimeError: went wrong" in pretty.stderr
