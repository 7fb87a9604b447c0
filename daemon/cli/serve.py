"""`pro-engine serve`: the bare daemon, without a supervisor."""

from __future__ import annotations

import argparse

from daemon.__main__ import main


def serve(_options: argparse.Namespace) -> int:
    return main()
