"""Every fault once: the short round. The long one is `make chaos`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.lane import Lane
from tests.chaos.rounds import one_round
from tests.chaos.skipped import Skipped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are held by pidfds and read in /proc")
LENIENCE = 4.0  # tests may share their machine with others; how fast the service is back is for `make chaos` to say


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.key for fault in FAULTS])
async def test_the_service_outlives(fault: Fault, tmp_path: Path, kernel_cache: Path) -> None:
    lane = Lane(fault, tmp_path / "lane", kernel_cache, lenience=LENIENCE)
    await lane.open()
    try:
        await one_round(lane)
    except Skipped as why:
        pytest.skip(str(why))
    finally:
        await lane.close()
