from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.accounts.figures import AccountFigures, Period
from daemon.jobs.events import LEAST_STEP, MOST_WAITING, AccountEvent, EventHub, News, ProgressEvent, Subscriber
from daemon.store.jobs import JobEvent


def _event(seq: int, job: str = "a", event: str = "started", owner: str = "ann") -> JobEvent:
    return JobEvent(seq, job, owner, event, {}, 0.0)


async def _drain(subscriber: Subscriber) -> list[News]:
    found: list[News] = []
    while True:
        waiting = asyncio.ensure_future(subscriber.next())
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            return found
        found.append(waiting.result())


async def test_a_subscriber_hears_its_owners_jobs_that_it_asked_for() -> None:
    hub = EventHub()
    with hub.subscription("ann") as all_of_them, hub.subscription("ann") as one, hub.subscription("bob") as bob:
        all_of_them.listen_to(None)
        one.listen_to(frozenset("b"))
        bob.listen_to(frozenset("a"))
        for seq, job in enumerate("ab"):
            hub.publish(_event(seq, job))
            hub.progress(job, "ann", 0.5)
        assert len(await _drain(all_of_them)) == 4
        heard = await _drain(one)
        assert [event.job for event in heard if not isinstance(event, AccountEvent)] == ["b", "b"]
        assert await _drain(bob) == []
    assert hub.subscribers == 0


async def test_who_has_not_subscribed_yet_hears_nothing() -> None:
    hub = EventHub()
    with hub.subscription("ann") as subscriber:
        hub.publish(_event(1))
        assert await _drain(subscriber) == []


async def test_progress_is_the_newest_figure_only_and_is_not_replayed() -> None:
    hub = EventHub()
    hub.progress("a", "ann", 0.1)
    with hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        for percent in range(20, 90, 10):
            hub.progress("a", "ann", percent / 100)
        assert await _drain(subscriber) == [ProgressEvent("a", "ann", 0.8)]


async def test_state_changes_come_before_progress_and_take_the_place_of_older_figures() -> None:
    hub = EventHub()
    with hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        hub.progress("a", "ann", 0.5)
        hub.progress("b", "ann", 0.5)
        hub.publish(_event(1, "a", "done"))
        assert await _drain(subscriber) == [_event(1, "a", "done"), ProgressEvent("b", "ann", 0.5)]
    assert hub.progress_of("a") == 0.0


@given(st.lists(st.floats(0, 1)))
@settings(max_examples=30, deadline=None)
def test_the_figure_never_falls_and_small_steps_are_not_told(fractions: list[float]) -> None:
    hub, subscriber = EventHub(), Subscriber("ann")
    told: list[float] = []
    subscriber.listen_to(None)
    subscriber.offer = lambda event: told.append(getattr(event, "fraction", -1))  # type: ignore[method-assign]
    hub._subscribers.add(subscriber)
    for fraction in fractions:
        hub.progress("a", "ann", fraction)
    assert all(later >= earlier + LEAST_STEP for earlier, later in pairwise(told))
    assert hub.progress_of("a") == (told[-1] if told else 0.0)


async def test_a_slow_subscriber_falls_behind_and_delays_nobody() -> None:
    hub = EventHub()
    with hub.subscription("ann") as slow, hub.subscription("ann") as quick:
        for subscriber in (slow, quick):
            subscriber.listen_to(None)
        for seq in range(MOST_WAITING + 1):
            assert not slow.behind
            hub.publish(_event(seq))
            await quick.next()
        assert slow.behind
        assert not quick.behind


async def test_progress_alone_never_puts_anybody_behind() -> None:
    hub = EventHub()
    with hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        for number in range(2 * MOST_WAITING):
            hub.progress(str(number % 5), "ann", number / (2 * MOST_WAITING))
        assert not subscriber.behind
        assert len(await _drain(subscriber)) == 5


async def test_a_new_subscription_leaves_nothing_of_the_one_before() -> None:
    hub = EventHub()
    with hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        hub.publish(_event(1, "a"))
        hub.progress("a", "ann", 0.5)
        subscriber.listen_to(frozenset("b"))
        assert await _drain(subscriber) == []


def _figures(used: int) -> AccountFigures:
    return AccountFigures("free", Period(used, 10, "2099-01-01"), None, 1.0)


async def test_an_owners_listeners_hear_the_newest_figures_whichever_jobs_they_listen_to() -> None:
    hub = EventHub()
    with hub.subscription("ann") as ann, hub.subscription("bob") as bob:
        assert hub.is_heard("ann")
        assert not hub.is_heard("eve")
        for used in (1, 2):
            hub.account("ann", _figures(used))
        assert await _drain(ann) == [AccountEvent("ann", _figures(2))]
        assert await _drain(bob) == []


async def test_changes_of_state_come_before_figures() -> None:
    hub = EventHub()
    with hub.subscription("ann") as subscriber:
        subscriber.listen_to(None)
        hub.account("ann", _figures(1))
        hub.publish(_event(1, "a"))
        assert [type(event) for event in await _drain(subscriber)] == [JobEvent, AccountEvent]
