from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.faults import FAULTS
from tests.chaos.patience import TooLate
from tests.chaos.rounds import machines_doing
from tests.chaos.witness import Witnesses, covered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it pins processes to cores")
TICKS = st.integers(0, 40)
SPANS = st.tuples(TICKS, TICKS).map(lambda two: (min(two), max(two)))
ONE_CORE = next(fault for fault in FAULTS if fault.cores == 1)
ALL_CORES = next(fault for fault in FAULTS if fault.cores > 1)


@given(st.lists(SPANS), SPANS)
def test_what_several_cover_is_counted_once_and_only_within(
    spans: list[tuple[int, int]], within: tuple[int, int]
) -> None:
    ticks = {tick for begin, end in spans for tick in range(begin, end)} & set(range(*within))
    assert covered(spans, within) == len(ticks)


async def test_a_witness_that_is_kept_from_running_tells_how_long() -> None:
    async with Witnesses() as witnesses:
        await witnesses.stalled(0.0, time.monotonic())  # all have begun
        begin = time.monotonic()
        os.kill(witnesses.pids[0], signal.SIGSTOP)
        await asyncio.sleep(0.3)
        os.kill(witnesses.pids[0], signal.SIGCONT)
        end = time.monotonic()
        assert await witnesses.stalled(begin, end) > 0.2
        late = TooLate(begin, end, within=end - begin - 0.2)
        assert await machines_doing(late, ONE_CORE, witnesses)
        assert not await machines_doing(late, ALL_CORES, witnesses), "there the fault itself keeps them waiting"
        assert not await machines_doing(TooLate(begin, end, within=0.0), ONE_CORE, witnesses)
