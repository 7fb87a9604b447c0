"""Compiled kernels for a fresh cache folder: else its first worker compiles them beside what is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.conftest import copy_kernels, warm_kernels

KEPT: Final = Path(__file__).parent.parent / ".cache" / "test"  # between runs, of the tests too


def give_kernels(cache: Path) -> None:
    warm_kernels(KEPT)
    copy_kernels(KEPT, cache)
