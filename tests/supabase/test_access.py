"""Every table, by two users and by nobody: who sees and does what."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.supabase.catalog import OURS
from tests.supabase.conftest import Cluster, Project, call, database

OWN = ("user_profiles", "usage_logs", "usage_reservations", "usage_counters")
DENIED = psycopg.errors.InsufficientPrivilege
REFUSALS = (DENIED, psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation)


@dataclass
class World:
    project: Project
    ann: uuid.UUID
    bob: uuid.UUID


@pytest.fixture(scope="module", params=["fresh", "existing"])
def world(request: pytest.FixtureRequest, cluster: Cluster, templates: dict[str, str]) -> Iterator[World]:
    """Shared by what must change nothing in it."""
    project = Project(cluster.dsn(database(cluster, templates[request.param])))
    yield world_of(project)
    project.close()


@pytest.fixture(scope="module", params=["fresh", "existing"])
def lenient(request: pytest.FixtureRequest, cluster: Cluster, templates: dict[str, str]) -> Iterator[World]:
    """The same where the owner or his host has granted everything."""
    project = Project(cluster.dsn(database(cluster, templates[request.param])))
    project.operator.execute("grant all on all tables in schema public to anon, authenticated")
    yield world_of(project)
    project.close()


def world_of(project: Project) -> World:
    """Two users, each with a job that was charged."""
    ann, bob = project.sign_up(), project.sign_up()
    for user in (ann, bob):
        assert project.call(user, "reserve_usage", uuid.uuid4(), "standard", "2x", 100)["allowed"]
    return World(project, ann, bob)


def owner_column(table: str) -> str:
    return "id" if table == "user_profiles" else "user_id"


@pytest.mark.parametrize("table", OWN)
def test_users_see_their_own_rows_and_nobody_sees_any(world: World, table: str) -> None:
    column = owner_column(table)
    for user in (world.ann, world.bob):
        with world.project.caller("authenticated", user) as connection:
            seen = {row[0] for row in connection.execute(f"select {column} from {table}".encode())}
        assert seen == {user}
    with world.project.caller("anon") as connection, pytest.raises(DENIED):
        connection.execute(f"select * from {table}".encode())
    with world.project.caller("service_role") as connection:
        assert {world.ann, world.bob} <= {
            row[0] for row in connection.execute(f"select {column} from {table}".encode())
        }


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_everybody_sees_the_tiers(world: World, role: str) -> None:
    with world.project.caller(role, world.ann if role == "authenticated" else None) as connection:
        assert len(connection.execute("select * from subscription_tiers").fetchall()) >= 2


CHANGES = {
    "user_profiles": "update user_profiles set subscription_tier = 'gold'",
    "subscription_tiers": "update subscription_tiers set daily_limit = 1000000",
    "usage_logs": "update usage_logs set scale_factor = '2x'",
    "usage_reservations": "update usage_reservations set state = 'refunded'",
    "usage_counters": "update usage_counters set used = 0",
}
REMOVALS = {table: f"delete from {table}" for table in OURS}
EMPTYINGS = {table: f"truncate {table} cascade" for table in OURS}
ADDITIONS = {
    "user_profiles": "insert into user_profiles (id, subscription_tier) values (auth.uid(), 'gold')",
    "subscription_tiers": "insert into subscription_tiers (tier) values ('mine')",
    "usage_reservations": "insert into usage_reservations (user_id, reservation_id, processing_type, scale_factor,"
    " charged_on) values (auth.uid(), gen_random_uuid(), 'standard', '2x', now())",
    "usage_counters": "insert into usage_counters (user_id, period, starts) values (auth.uid(), 'day', '2020-01-01')",
}
DEEDS = [*CHANGES.values(), *REMOVALS.values(), *EMPTYINGS.values(), *ADDITIONS.values()]


def state(project: Project) -> dict[str, list[tuple[object, ...]]]:
    return {table: project.rows(f"select * from {table} order by 1, 2, 3") for table in OURS}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_changes_a_tier_a_counter_or_a_line_of_the_log(world: World, deed: str, role: str) -> None:
    before = state(world.project)
    with world.project.caller(role, world.ann if role == "authenticated" else None) as connection, suppress(*REFUSALS):
        connection.execute(deed.encode())
    assert state(world.project) == before


@pytest.mark.parametrize("deed", [deed for deed in DEEDS if deed not in EMPTYINGS.values()])
def test_not_even_where_the_owner_or_his_host_grants_everything(lenient: World, deed: str) -> None:
    """Policies and triggers alone; from `truncate`, which no policy sees, grants alone keep."""
    before = state(lenient.project)
    with lenient.project.caller("authenticated", lenient.ann) as connection, suppress(*REFUSALS):
        connection.execute(deed.encode())
    assert state(lenient.project) == before


def test_users_write_lines_of_their_own_stamped_by_the_server_and_none_of_others(project: Project) -> None:
    """As the daemon does where a project has no migrations of ours, and as an owner's older app may."""
    world = world_of(project)
    line = "insert into usage_logs (user_id, processing_type, scale_factor, image_pixels, processing_time_ms) values"
    with world.project.caller("authenticated", world.ann) as connection:
        connection.execute(f"{line} (auth.uid(), 'standard', '2x', 1, 2)".encode())
        with pytest.raises(DENIED):
            connection.execute(f"{line} (%s, 'standard', '2x', 1, 2)".encode(), [world.bob])
        with pytest.raises(DENIED):  # what links a line to a charge is not among the columns
            connection.execute(
                "insert into usage_logs (user_id, event_id, processing_type, scale_factor)"
                " values (auth.uid(), gen_random_uuid(), 'standard', '2x')"
            )
    world.project.operator.execute("grant all on usage_logs to authenticated")
    with world.project.caller("authenticated", world.ann) as connection:
        connection.execute(
            "insert into usage_logs (user_id, event_id, event_status, created_at, processing_type, scale_factor,"
            " processing_time_ms) values (auth.uid(), gen_random_uuid(), 'reserved', '2001-01-01', 'standard', '2x', 0)"
        )
    found = world.project.rows(
        "select event_id, event_status, created_at > now() - interval '1 hour' from usage_logs"
        " where user_id = %s and event_id is null",
        world.ann,
    )
    assert found == [(None, "done", True)] * 2


def test_nobody_who_is_not_signed_in_has_a_function_of_ours(world: World) -> None:
    asked: dict[str, list[Any]] = {
        "reserve_usage": [uuid.uuid4(), "standard", "2x", 1],
        "ingest_usage_events": [Jsonb([])],
        "my_usage": [],
    }
    for function, arguments in asked.items():
        with world.project.caller("anon") as connection, pytest.raises(DENIED):
            call(connection, function, *arguments)
        with world.project.caller("authenticated") as connection, pytest.raises(DENIED, match="not signed in"):
            call(connection, function, *arguments)


@pytest.mark.parametrize("function", ["usage_of(%s)", "count_usage(%s, '2026-01-01', -9, 0)", "take_event(%s, '{}')"])
def test_what_acts_for_any_user_is_for_nobody_to_call(world: World, function: str) -> None:
    with world.project.caller("authenticated", world.ann) as connection, pytest.raises(DENIED):
        connection.execute(f"select private.{function}".encode(), [world.bob])


def test_a_user_asks_about_herself_only(fresh: Project) -> None:
    ann, bob = fresh.sign_up(), fresh.sign_up()
    assert fresh.call(ann, "enforce_subscription_limits", ann, "standard", "2x") is True
    assert fresh.call(ann, "enforce_subscription_limits", bob, "standard", "2x") is False
    with fresh.caller("service_role") as connection:
        assert call(connection, "enforce_subscription_limits", bob, "standard", "2x") is True


def test_where_the_owner_lets_users_edit_their_profiles_they_still_do(existing: Project) -> None:
    ann = existing.sign_up()
    existing.operator.execute("grant update on user_profiles to authenticated")
    with existing.caller("authenticated", ann) as connection:
        connection.execute("update user_profiles set nickname = 'Ann'")
        with pytest.raises(DENIED, match="not for its user"):
            connection.execute("update user_profiles set nickname = 'Ann', subscription_tier = 'gold'")
    assert existing.rows("select nickname, subscription_tier from user_profiles where id = %s", ann) == [
        ("Ann", "basic")
    ]
