"""Following: whatever breaks, each change is told once and each end is told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from aiohttp import WSCloseCode, web

from daemon.api import goodbye
from daemon.client import Client, JobEvent, Patience, follow
from daemon.errors import AccessTokenRequired, BadRequest, NotFound, ServiceUnreachable, UnexpectedAnswer
from tests.api.conftest import JSON, Service, connected, png, said
from tests.client.conftest import QUICK, Limit, at_random, broken_way, fake_service, one_after_the_other

pytestmark = pytest.mark.asyncio(loop_scope="session")
ALL_OF_A_JOB = ["queued", "started", "done"]
JOBS, CUTS = 20, 200


async def newest(service: Service) -> int:
    async with connected(service, {"jobs": "*"}) as socket:
        return int((await said(socket))["seq"])


async def begin(client: Client, side: int = 24) -> str:
    return (await client.submit(png(side, side), scale_factor=4)).id


def changes(events: list[JobEvent]) -> list[str]:
    return [event.kind for event in events if event.progress is None]


async def test_through_two_hundred_cuts_no_change_is_missed_or_told_twice(service: Service, client: Client) -> None:
    """Jobs are handed in while the way breaks, so that it breaks at every point of their lives."""
    since, ids = await newest(service), [await begin(client, 100)]
    heard: dict[str, list[str]] = defaultdict(list)
    numbers: list[int] = []
    async with (
        broken_way(service, at_random(seed=7, size=900, seconds=0.03)) as way,
        Client(way.url, service.token, patience=QUICK) as unlucky,
        aclosing(unlucky.follow("*", since)) as events,
    ):
        async for event in events:
            if event.progress is None:
                heard[event.job_id].append(event.kind)
                numbers.append(event.seq)
            if way.cuts >= len(ids) * CUTS // JOBS and len(ids) < JOBS:
                ids.append(await begin(client, 100))
            if all(heard[job] == ALL_OF_A_JOB for job in ids):
                if way.cuts >= CUTS:
                    break
                ids.append(await begin(client, 100))
    assert len(ids) >= JOBS
    assert dict(heard) == dict.fromkeys(ids, ALL_OF_A_JOB)
    assert numbers == sorted(set(numbers))


async def test_without_since_the_end_of_each_job_comes_through_any_way(service: Service, client: Client) -> None:
    ids = [await begin(client) for _ in range(JOBS)]
    async with (
        broken_way(service, at_random(seed=8, size=40_000, seconds=0.05)) as way,
        Client(way.url, service.token, patience=QUICK) as unlucky,
    ):
        ends = [event.job_id async for event in unlucky.follow(ids) if event.is_over]
        assert sorted(ends) == sorted(ids)
        again = [event async for event in unlucky.follow(ids)]
    assert sorted(event.job_id for event in again) == sorted(ids), "those that are over already, too"
    assert {(event.kind, event.from_snapshot) for event in again} == {("done", True)}


async def test_an_end_that_lies_before_since_is_told_all_the_same(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "QUIET_SECONDS", 0.2)
    job = (await client.wait_for(await begin(client))).id
    since = await newest(service)
    later = await begin(client)
    events = [event async for event in client.follow([job, later], since)]
    assert [(event.kind, event.from_snapshot) for event in events if event.job_id == job] == [("done", True)]
    assert changes([event for event in events if event.job_id == later]) == ALL_OF_A_JOB


async def forget(service: Service) -> None:
    """As after seven days."""
    await service.parts.ledger._database.transact(lambda c: c.execute("DELETE FROM job_events").rowcount)


async def test_what_the_service_has_forgotten_is_read_off_its_jobs(service: Service, client: Client) -> None:
    """The connection breaks after a job has begun; its end, and another job's whole life, fall into the gap."""
    async with (
        broken_way(service, lambda: None) as way,
        Client(way.url, service.token, patience=QUICK) as unlucky,
        aclosing(unlucky.follow("*")) as events,
    ):
        one = await begin(client, 300)
        heard = [await anext(events)]
        way.limits = lambda: Limit(0)
        await goodbye.say_goodbye_to_all(service.parts)
        two = await begin(client)
        await asyncio.gather(client.wait_for(one), client.wait_for(two))
        await forget(service)
        way.limits = lambda: None
        heard += [event async for event in take_until_over(events, two)]
        three = await begin(client)
        heard += [event async for event in take_until_over(events, three)]
    assert heard[0].job_id == one
    assert [event.job_id for event in heard if event.is_over] == [one, two, three]
    assert [event.from_snapshot for event in heard if event.is_over] == [True, True, False]


async def test_all_from_now_on_begins_with_what_is_not_over(service: Service, client: Client) -> None:
    before = (await client.wait_for(await begin(client))).id
    waiting = await begin(client, 400)
    async with aclosing(client.follow("*")) as events:
        first = await anext(events)
        later = await begin(client)
        heard = [first, *[event async for event in take_until_over(events, later)]]
    assert before not in {event.job_id for event in heard}
    assert {waiting, later} == {event.job_id for event in heard if event.is_over}


async def take_until_over(events: AsyncGenerator[JobEvent, None], job: str) -> AsyncGenerator[JobEvent, None]:
    async for event in events:
        yield event
        if event.is_over and event.job_id == job:
            return


async def test_a_job_that_does_not_exist_is_an_error(client: Client) -> None:
    for since in (None, 0):
        with pytest.raises(NotFound, match="unknown"):
            await anext(client.follow("unknown", since))
    with pytest.raises(BadRequest):
        await anext(client.follow("x" * 65))
    assert [event async for event in client.follow([])] == []


async def test_more_jobs_than_a_subscription_can_name_are_followed_all_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MOST_NAMED", 2)
    over = [(await client.wait_for(await begin(client))).id for _ in range(2)]
    ids = [*over, *[await begin(client) for _ in range(2)]]
    await begin(client)
    events = [event async for event in client.follow(ids)]
    assert sorted(event.job_id for event in events if event.is_over) == sorted(ids)
    assert {event.job_id for event in events} == set(ids)


async def test_who_waits_sees_progress_that_never_falls(client: Client) -> None:
    figures: list[float] = []
    job = await client.wait_for(await begin(client, 400), figures.append)
    assert (job.state, job.cache) == ("done", "miss")
    assert figures == sorted(set(figures))
    assert figures


async def test_who_leaves_early_closes_the_connection(service: Service, client: Client) -> None:
    job = await begin(client, 400)
    async with aclosing(client.follow(job)) as events:
        await anext(events)
        assert service.parts.sockets
    while service.parts.sockets:
        await asyncio.sleep(0)
    await client.cancel(job)


async def test_a_service_that_does_not_come_back_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "STEADY_SECONDS", 0.0)  # however long each try takes
    async with broken_way(service, one_after_the_other()) as way:
        way.limits = lambda: Limit(1)
        async with Client(way.url, service.token, patience=Patience(away=0.05, first=0.01)) as unlucky:
            with pytest.raises(ServiceUnreachable):
                await anext(unlucky.follow("*"))


def fake_socket(asked: list[JSON], *scripts: Sequence[object]) -> web.RouteDef:
    """Plays one script a connection: messages to be told, and the code of its closing."""
    left = iter(scripts)

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked.append(await socket.receive_json())
        for step in next(left):
            if isinstance(step, int):
                await socket.close(code=step)
            else:
                await socket.send_json(step)
        await socket.receive()
        return socket

    return web.get("/ws", handler)


def event(seq: int, kind: str) -> JSON:
    return {"seq": seq, "job": "a", "event": kind, "data": {}}


@pytest.mark.parametrize("code", [WSCloseCode.TRY_AGAIN_LATER, WSCloseCode.SERVICE_RESTART, WSCloseCode.INTERNAL_ERROR])
async def test_whatever_ends_a_connection_the_next_goes_on_where_it_was(code: int) -> None:
    asked: list[JSON] = []
    begun: list[JSON | int] = [
        {"type": "snapshot", "seq": 4, "jobs": []},
        event(5, "queued"),
        event(6, "started"),
        code,
    ]
    async with (
        fake_service(fake_socket(asked, begun, [event(7, "done")])) as client,
        aclosing(client.follow("*")) as events,
    ):
        assert [(await anext(events)).kind for _ in range(3)] == ["queued", "started", "done"]
    assert [(one["jobs"], one["since"]) for one in asked] == [("*", None), ("*", 6)]


async def test_what_a_later_service_tells_beside_is_passed_over() -> None:
    told: list[JSON | int] = [
        {"type": "weather"},
        {"hello": 1},
        event(1, "paused"),
        event(2, "done") | {"mood": "good"},
    ]
    async with (
        fake_service(fake_socket([], told)) as client,
        aclosing(client.follow("*", 0)) as events,
    ):
        assert [(await anext(events)).kind for _ in range(2)] == ["paused", "done"]


@pytest.mark.parametrize(
    "message", [{"event": "done"}, {"type": "snapshot"}, {"type": "snapshot", "seq": 1, "jobs": [{}]}, [1], "hello"]
)
async def test_what_makes_no_sense_is_an_error_and_no_endless_loop(message: object) -> None:
    async with fake_service(fake_socket([], [message])) as client:
        with pytest.raises(UnexpectedAnswer):
            await anext(client.follow("*"))


async def test_who_is_sent_away_with_the_only_token_is_told() -> None:
    async with fake_service(fake_socket([], [4401])) as client:
        with pytest.raises(AccessTokenRequired):
            await anext(client.follow("*"))


async def test_where_there_is_no_socket_it_says_so() -> None:
    async with fake_service() as client:
        with pytest.raises(UnexpectedAnswer, match="404"):
            await anext(client.follow("*"))
