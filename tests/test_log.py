"""The log: what it tells and what it must not."""

from __future__ import annotations

import json
import subprocess
import sys
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
    form: Literal["json", "pretty"], capfd: pytest.CaptureFixture[str]
) -> None:
    """Tokens and secrets are variables too."""
    log.set_up(form)

    def breaks(token: str) -> None:
        raise RuntimeError("what went wrong")

    try:
        breaks("hidden-token"[:12])
    except RuntimeError:
        structlog.get_logger("test").exception("broke")
    log.flush()
    written = capfd.readouterr().err
    assert "what went wrong" in written
    assert "test_log.py" in written
    assert "hidden-token" not in written.replace('"hidden-token"[:12]', "")


TAKES_OVER = """
import asyncio, logging, threading, warnings
from daemon import log
log.set_up("json")
log.take_over()
warnings.warn("of a library", stacklevel=1)
logging.getLogger("library").error("what %s says", "a library")
logging.getLogger("library").error("%d", "no number")
logging.getLogger("library").info("not worth a line")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()

class Odd:
    def __del__(self):
        raise ValueError("in a finalizer")

Odd()
asyncio.run(asyncio.sleep(0))
raise RuntimeError("nobody caught this one")
"""


def test_what_python_itself_has_to_say_comes_as_lines_of_ours() -> None:
    """Written the usual way it would wait for the reader of standard error."""
    ended = subprocess.run([sys.executable, "-c", TAKES_OVER], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["python"] * 6
    told = [line["message"] for line in lines]
    assert "of a library" in told[0]
    assert told[1:3] == ["what a library says", "%d"]
    errors = [line["exception"][0]["exc_value"] for line in lines[3:]]
    assert errors == ["division by zero", "in a finalizer", "nobody caught this one"]


def test_a_process_started_without_standard_error_logs_into_nothing_and_not_into_a_file() -> None:
    says = (
        "import os; from daemon import log; log.hold_descriptors(); log.set_up('json');"
        "import structlog; file = os.open('/dev/null', os.O_RDONLY); structlog.get_logger().error('x'); log.flush();"
        "print(file > 2, os.get_inheritable(2),"
        " os.path.realpath('/proc/self/fd/2') if os.path.exists('/proc') else '/dev/null')"
    )
    shell = f'exec {sys.executable} -c "{says}" 2>&-'
    shown = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, check=True)
    assert shown.stdout.split() == ["True", "True", "/dev/null"]
