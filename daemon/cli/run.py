"""`pro-engine run`: become the supervisor, which starts this very installation's daemon."""

from __future__ import annotations

import argparse
import os
import sys

from daemon import settings


def run(options: argparse.Namespace) -> int:
    """Check the settings, tell the supervisor its own, and hand over: it reads nothing but its environment."""
    settings.read()
    env = os.environ | settings.supervisor_environ(os.environ)
    # -P: a folder `supervisor` where somebody happens to stand is not ours
    command = [sys.executable, "-P", "-m", "supervisor"]
    if options.evict is not None:
        command += ["--evict", str(options.evict)]
    sys.stdout.flush()
    os.execve(sys.executable, command, env)  # noqa: S606, no shell is the point
