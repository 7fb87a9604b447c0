"""Charges: before the work, once, within the limit however many ask at once, and back where nothing came of it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.supabase.conftest import Project, call

LIMIT = 10


def reserve(project: Project, user: uuid.UUID, scale: str = "2x", key: uuid.UUID | None = None) -> dict[str, Any]:
    found: dict[str, Any] = project.call(user, "reserve_usage", key or uuid.uuid4(), "standard", scale, 1_000_000)
    return found


def event(key: uuid.UUID, status: str = "done", **more: Any) -> dict[str, Any]:
    return {
        "event_id": str(key),
        "status": status,
        "processing_type": "standard",
        "scale_factor": "2x",
        "image_pixels": 1_000_000,
        "processing_time_ms": 320,
        "event_at": "2026-11-27T10:00:00Z",
        "device_id": str(uuid.UUID(int=5)),
        "device_seq": 1,
        **more,
    }


def tell(project: Project, user: uuid.UUID, *events: Any) -> list[str]:
    verdicts = project.call(user, "ingest_usage_events", Jsonb(list(events)))
    assert len(verdicts) == len(events)
    return [verdict["result"] for verdict in verdicts]


def used(project: Project, user: uuid.UUID) -> tuple[int, int]:
    """By the day's counter, and by the lines of the log."""
    counted = project.rows("select used from usage_counters where user_id = %s and period = 'day'", user)
    ((lines,),) = project.rows("select count(*) from usage_logs where user_id = %s", user)
    return counted[0][0] if counted else 0, lines


def test_ten_a_day_and_no_eleventh(project: Project) -> None:
    user = project.sign_up()
    answers = [reserve(project, user) for _ in range(LIMIT + 2)]
    assert [answer["allowed"] for answer in answers] == [True] * LIMIT + [False] * 2
    assert answers[-1]["reason"] == "limit"
    assert answers[-1]["current_tier"] in {"free", "basic"}
    assert answers[-1]["usage"]["day"]["used"] == LIMIT
    assert used(project, user) == (LIMIT, LIMIT)


def at_once(
    project: Project, user: uuid.UUID, times: int, ask: Callable[[psycopg.Connection[Any], int], Any]
) -> list[Any]:
    """Answers to so many callers with connections of their own, who all begin together."""
    ready = threading.Barrier(times)

    def one(number: int) -> Any:
        with project.caller("authenticated", user) as connection:
            ready.wait()
            return ask(connection, number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_of_two_hundred_at_once_exactly_ten_are_allowed(project: Project) -> None:
    user = project.sign_up()
    answers = at_once(
        project, user, 200, lambda connection, _: call(connection, "reserve_usage", uuid.uuid4(), "standard", "2x", 1)
    )
    assert sum(answer["allowed"] for answer in answers) == LIMIT
    assert used(project, user) == (LIMIT, LIMIT)


def test_a_question_before_the_act_would_not_hold(fresh: Project) -> None:
    """The control: the race above is one. Whoever asks first and acts then goes past the limit."""
    user = fresh.sign_up()
    asked = threading.Barrier(50)

    def ask_then_act(connection: psycopg.Connection[Any], _: int) -> bool:
        allowed = bool(call(connection, "enforce_subscription_limits", user, "standard", "2x"))
        asked.wait()
        return allowed

    assert sum(at_once(fresh, user, 50, ask_then_act)) == 50


def test_the_same_key_is_charged_once_even_at_once(project: Project) -> None:
    user, keys = project.sign_up(), [uuid.uuid4() for _ in range(5)]
    answers = at_once(
        project, user, 40, lambda connection, n: call(connection, "reserve_usage", keys[n % 5], "standard", "2x", 1)
    )
    assert all(answer["allowed"] for answer in answers)
    assert sum(not answer.get("replayed") for answer in answers) == 5
    assert used(project, user) == (5, 5)


def test_what_failed_is_given_back_once_in_the_day_it_was_charged(project: Project) -> None:
    user, key = project.sign_up(), uuid.uuid4()
    reserve(project, user, key=key)
    project.operator.execute("update usage_reservations set charged_on = '2020-02-03'")
    project.operator.execute("update usage_counters set starts = '2020-02-03' where period = 'day'")
    project.operator.execute("update usage_counters set starts = '2020-02-01' where period = 'month'")
    results = at_once(
        project,
        user,
        6,
        lambda connection, _: call(connection, "ingest_usage_events", Jsonb([event(key, "failed", refund=True)])),
    )
    assert sorted(verdict[0]["result"] for verdict in results) == ["duplicate"] * 5 + ["refunded"]
    assert project.rows("select used from usage_counters where starts < '2021-01-01'") == [(0,), (0,)]
    assert project.rows("select count(*) from usage_logs where user_id = %s", user) == [(0,)]
    assert not reserve(project, user, key=key)["allowed"], "the key is spent"


def test_a_refund_makes_room_for_another_job(project: Project) -> None:
    user, keys = project.sign_up(), [uuid.uuid4() for _ in range(LIMIT)]
    for key in keys:
        reserve(project, user, key=key)
    assert not reserve(project, user)["allowed"]
    assert tell(project, user, event(keys[0], "cancelled", refund=True)) == ["refunded"]
    assert reserve(project, user)["allowed"]
    assert not reserve(project, user)["allowed"]


def test_what_was_worked_on_before_it_was_cancelled_is_not_given_back(project: Project) -> None:
    user, key = project.sign_up(), uuid.uuid4()
    reserve(project, user, key=key)
    assert tell(project, user, event(key, "cancelled")) == ["inserted"]
    assert used(project, user) == (1, 1)


def test_refunds_have_an_end_within_a_day(project: Project) -> None:
    user = project.sign_up()
    results = []
    for _ in range(55):
        key = uuid.uuid4()
        assert reserve(project, user, key=key)["allowed"]
        results += tell(project, user, event(key, "failed", refund=True))
    assert results == ["refunded"] * 50 + ["inserted"] * 5
    assert used(project, user) == (5, 5)


def test_a_job_that_is_done_settles_its_charge_and_completes_its_line(project: Project) -> None:
    user, key = project.sign_up(), uuid.uuid4()
    reserve(project, user, key=key)
    assert tell(project, user, event(key), event(key)) == ["inserted", "duplicate"]
    assert tell(project, user, event(key, "failed", refund=True)) == ["duplicate"]
    assert project.rows(
        "select event_status, scale_factor, image_pixels, processing_time_ms, device_seq from usage_logs"
        " where user_id = %s",
        user,
    ) == [("done", "2x", 1_000_000, 320, 1)]
    assert project.rows("select state from usage_reservations where user_id = %s", user) == [("committed",)]
    assert used(project, user) == (1, 1)


def test_a_job_done_while_nobody_could_be_asked_is_logged_and_counts(project: Project) -> None:
    user, keys = project.sign_up(), [uuid.uuid4() for _ in range(LIMIT)]
    assert tell(project, user, *map(event, keys), event(keys[0])) == ["inserted"] * LIMIT + ["duplicate"]
    assert not reserve(project, user)["allowed"]
    assert tell(project, user, event(uuid.uuid4(), "failed")) == ["not_charged"]
    assert used(project, user) == (LIMIT, LIMIT)


BAD: list[Any] = [
    {},
    5,
    "x",
    {"event_id": "no id"},
    event(uuid.uuid4(), "celebrated"),
    event(uuid.uuid4(), processing_type=None),
    event(uuid.uuid4(), image_pixels="many"),
    event(uuid.uuid4(), image_pixels=10**30),
    event(uuid.uuid4(), event_at="yesterday-ish"),
    event(uuid.uuid4(), device_id="5"),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_one_that_cannot_be_taken_holds_back_none_of_the_others(project: Project, bad: Any) -> None:
    user = project.sign_up()
    verdicts = project.call(user, "ingest_usage_events", Jsonb([event(uuid.uuid4()), bad, event(uuid.uuid4())]))
    assert [verdict["result"] for verdict in verdicts] == ["inserted", "rejected", "inserted"]
    assert verdicts[1]["code"][:2] in {"22", "23"}
    assert used(project, user) == (2, 2)


@pytest.mark.parametrize("events", [{}, "x", [{}] * 501])
def test_a_batch_that_is_none_is_refused(fresh: Project, events: Any) -> None:
    with pytest.raises(psycopg.errors.DataError):
        fresh.call(fresh.sign_up(), "ingest_usage_events", Jsonb(events))


def test_sent_again_by_many_at_once_each_counts_once(project: Project) -> None:
    user, batch = project.sign_up(), [event(uuid.uuid4()) for _ in range(8)]
    results = at_once(project, user, 8, lambda connection, _: call(connection, "ingest_usage_events", Jsonb(batch)))
    verdicts = [verdict["result"] for result in results for verdict in result]
    assert sorted(verdicts) == ["duplicate"] * 56 + ["inserted"] * 8
    assert used(project, user) == (8, 8)


def test_anothers_event_id_takes_nothing_from_mine(project: Project) -> None:
    ann, bob, key = project.sign_up(), project.sign_up(), uuid.uuid4()
    reserve(project, ann, key=key)
    assert tell(project, bob, event(key)) == ["inserted"]
    assert tell(project, ann, event(key)) == ["inserted"]
    assert used(project, ann) == used(project, bob) == (1, 1)


def test_a_scale_beyond_the_tier_and_nonsense_are_refused(project: Project) -> None:
    user = project.sign_up()
    assert not reserve(project, user, "8x")["allowed"]
    for scale in ("", "x", "0x", "-2x", "2", "2x ", "2.5x", "999x"):
        with pytest.raises(psycopg.errors.DataError):
            reserve(project, user, scale)
    assert used(project, user) == (0, 0)


def test_a_better_tier_has_its_own_limits_at_once(fresh: Project) -> None:
    user = fresh.sign_up()
    fresh.operator.execute("update user_profiles set subscription_tier = 'team' where id = %s", [user])
    assert all(reserve(fresh, user, "8x")["allowed"] for _ in range(LIMIT + 5))
    usage = fresh.call(user, "my_usage")
    assert usage["current_tier"] == "team"
    assert (usage["day"]["used"], usage["day"]["limit"]) == (LIMIT + 5, None)


def test_whether_another_tier_would_help_is_told(fresh: Project) -> None:
    user = fresh.sign_up()
    for tier, helps in (("free", True), ("pro", True), ("team", False)):
        fresh.operator.execute("update user_profiles set subscription_tier = %s where id = %s", (tier, user))
        ((told,),) = fresh.rows("select private.can_upgrade(%s)", tier)
        assert told is helps
    fresh.operator.execute("update subscription_tiers set daily_limit = 0 where tier = 'team'")
    assert reserve(fresh, user)["can_upgrade"] is True, "another has more of something"


def test_of_tiers_that_say_nothing_to_us_another_may_help(existing: Project) -> None:
    ((told,),) = existing.rows("select private.can_upgrade('basic')")
    assert told is True


def test_an_event_that_the_owners_trigger_refuses_holds_back_none_of_the_others(fresh: Project) -> None:
    fresh.operator.execute(
        "create function public.no_big_ones() returns trigger language plpgsql as $$ begin"
        " if new.image_pixels > 1000000 then raise exception 'too big'; end if; return new; end $$"
    )
    fresh.operator.execute(
        "create trigger no_big_ones before insert on usage_logs for each row execute function public.no_big_ones()"
    )
    user, keys = fresh.sign_up(), [uuid.uuid4() for _ in range(3)]
    told = tell(fresh, user, event(keys[0]), event(keys[1], image_pixels=2_000_000), event(keys[2]))
    assert told == ["inserted", "rejected", "inserted"]


def test_the_months_limit_holds_over_its_days(fresh: Project) -> None:
    user = fresh.sign_up()
    assert reserve(fresh, user)["allowed"]
    fresh.operator.execute("update usage_counters set used = 100 where period = 'month'")
    assert not reserve(fresh, user)["allowed"]
    fresh.operator.execute("update usage_counters set starts = '2020-01-01'")
    assert reserve(fresh, user)["allowed"], "another month, another day"


def test_a_tier_that_nobody_knows_allows_nothing(fresh: Project) -> None:
    user = fresh.sign_up()
    fresh.operator.execute("update user_profiles set subscription_tier = 'vanished' where id = %s", [user])
    assert reserve(fresh, user) | {"usage": None} == {
        "allowed": False,
        "reason": "limit",
        "current_tier": "vanished",
        "can_upgrade": True,
        "usage": None,
    }


def test_counters_that_are_wrong_are_mended_from_the_log(project: Project) -> None:
    ann, bob = project.sign_up(), project.sign_up()
    for user in (ann, bob, bob):
        reserve(project, user)
    assert project.rows("select private.reconcile_usage()") == [(0,)]
    project.operator.execute("update usage_counters set used = 7 where user_id = %s", [ann])
    project.operator.execute("delete from usage_counters where user_id = %s and period = 'day'", [bob])
    carl = project.sign_up()
    project.operator.execute(
        "insert into usage_counters (user_id, period, starts, used) values (%s, 'day', private.today(), 4)", [carl]
    )
    assert project.rows("select private.reconcile_usage()") == [(4,)]
    assert [used(project, user)[0] for user in (ann, bob, carl)] == [1, 2, 0]


def test_what_was_moved_here_from_the_old_app_is_not_counted_by_the_nightly_look(project: Project) -> None:
    """As `pro-engine migrate` writes it: with an event and a device, and no moment at which it was told of."""
    user = project.sign_up()
    reserve(project, user)
    project.operator.execute(
        "insert into usage_logs (user_id, processing_type, scale_factor, image_pixels, processing_time_ms, event_id,"
        " device_id, device_seq) values (%s, 'standard', '2x', 1, 1, gen_random_uuid(), gen_random_uuid(), 7)",
        (user,),
    )
    assert project.rows("select private.reconcile_usage()") == [(0,)]
    assert used(project, user) == (1, 2)
