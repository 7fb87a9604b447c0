"""What was asked of the daemon only ever gets more urgent, and every wait knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from daemon.drain import Drain

ASKED = {"hand over": Drain.hand_over, "stop": Drain.stop, "lose": Drain.lose_supervisor}
NEVER: Callable[[], bool] = lambda: False


@given(st.lists(st.sampled_from(sorted(ASKED)), min_size=1))
def test_whatever_comes_in_whatever_order_the_most_urgent_stands(words: list[str]) -> None:
    async def ask() -> None:
        drain = Drain()
        for word in words:
            ASKED[word](drain)
        await drain.asked()
        assert drain.stopping == bool({"stop", "lose"} & set(words))
        first = next((at for at, word in enumerate(words) if word in {"stop", "lose"}), len(words))
        assert drain.fast == ("stop" in words[first + 1 :])

    asyncio.run(ask())


async def test_a_wait_ends_when_it_is_done_and_at_its_deadline() -> None:
    drain = Drain()
    assert await drain.until(lambda: True, 60)
    assert not await drain.until(NEVER, 0.05)


async def test_a_fast_stop_ends_a_wait_that_began_before_it() -> None:
    drain = Drain()
    waiting = asyncio.create_task(drain.until(NEVER, 60))
    await asyncio.sleep(0)
    drain.stop()
    await asyncio.sleep(0)
    assert not waiting.done()
    drain.stop()
    async with asyncio.timeout(5):
        assert not await waiting


async def test_what_a_fast_stop_leaves_is_counted_from_its_asking_and_once() -> None:
    """Two waits in a row share it: the end is near however many there are."""
    drain = Drain()
    drain.stop()
    drain.stop()
    asked = asyncio.get_running_loop().time()
    for _ in range(3):
        assert not await drain.until(NEVER, 60, fast=0.2)
    drain.stop()
    assert not await drain.until(NEVER, 60, fast=0.2)
    assert 0.15 < asyncio.get_running_loop().time() - asked < 2
