"""A fault that cannot be made on this machine, and why."""

from __future__ import annotations

import functools
import subprocess


class Skipped(Exception):
    pass


@functools.cache
def _can_unshare(flags: str) -> bool:
    return subprocess.run(["unshare", *flags.split(), "true"], check=False, capture_output=True).returncode == 0


def need_namespace(*flags: str) -> list[str]:
    """The words that put a command into namespaces of its own."""
    if not _can_unshare(" ".join(flags)):
        raise Skipped(f"`unshare {' '.join(flags)}` is not allowed here: run it as root")
    return ["unshare", *flags]
