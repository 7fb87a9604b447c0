"""A fresh project and one that was there before come to the same, however often; what is the owner's stays his."""

from __future__ import annotations

import re
import tomllib

from tests.supabase.catalog import QUERIES, catalog
from tests.supabase.conftest import EXISTING, MIGRATIONS, NewProject, Project

CONFIG = MIGRATIONS[0].parents[1] / "config.toml"


def test_the_folder_is_as_the_command_line_of_supabase_expects_it() -> None:
    config = tomllib.loads(CONFIG.read_text())
    assert config["project_id"] == "pro-engine"
    assert "private" not in config["api"]["schemas"]
    assert MIGRATIONS
    assert all(re.fullmatch(r"\d{14}_[a-z_]+\.sql", path.name) for path in MIGRATIONS)


def test_once_more_changes_nothing(project: Project) -> None:
    before = catalog(project)
    project.migrate()
    assert catalog(project) == before


def test_both_come_to_the_same_but_for_what_is_the_owners(fresh: Project, existing: Project) -> None:
    ours, theirs = catalog(fresh), catalog(existing)
    for what in QUERIES:
        missing = ours[what] - theirs[what]
        if what == "functions":  # the owner's own, with a body of its own
            missing = {row for row in missing if not str(row[0]).startswith("enforce_subscription_limits")}
        if what == "who may execute":  # he has granted his function as he likes
            missing = {row for row in missing if not str(row[0]).startswith("enforce_subscription_limits")}
        assert missing == set(), what
    more = theirs["who may do what"] - ours["who may do what"]
    assert more == set(), "an existing project lets nobody do more with our tables"


def test_nothing_of_the_owners_is_changed(new_project: NewProject) -> None:
    project = new_project(EXISTING)
    queries = [
        "select id, subscription_tier, nickname, created_at from user_profiles",
        "select id, name, jobs_a_day, features from subscription_tiers order by id",
        "select id, user_id, processing_type, scale_factor, image_pixels, processing_time_ms from usage_logs",
        "select created_at from usage_logs",
        "select prosrc, proacl::text from pg_proc where proname = 'enforce_subscription_limits'",
        "select policyname, cmd, qual, with_check from pg_policies where policyname not like 'pro_engine%%'",
        """select column_name, data_type, column_default, is_nullable from information_schema.columns
            where table_schema = 'public' and column_name in ('id', 'subscription_tier', 'created_at', 'name')
              and table_name in ('user_profiles', 'subscription_tiers', 'usage_logs') order by table_name, 1""",
    ]
    before = [project.rows(query) for query in queries]
    assert all(before)
    project.migrate()
    assert [project.rows(query) for query in queries] == before


def test_a_function_of_ours_is_kept_up_and_one_of_the_owners_is_not(new_project: NewProject) -> None:
    project = new_project()
    project.migrate()
    project.operator.execute(
        "create or replace function public.enforce_subscription_limits("
        "user_uuid uuid, processing_type_param text, scale_factor_param text) returns boolean"
        " language sql stable as 'select true'"
    )
    project.migrate()  # it still bears our mark
    assert (
        "within_limits"
        in project.rows("select prosrc from pg_proc where proname = 'enforce_subscription_limits'")[0][0]
    )
    project.operator.execute("comment on function public.enforce_subscription_limits(uuid, text, text) is 'mine'")
    project.operator.execute(
        "create or replace function public.enforce_subscription_limits("
        "user_uuid uuid, processing_type_param text, scale_factor_param text) returns boolean"
        " language sql stable as 'select true'"
    )
    project.migrate()
    assert project.rows("select prosrc from pg_proc where proname = 'enforce_subscription_limits'") == [
        ("select true",)
    ]


def test_a_new_user_has_a_profile_of_the_first_tier(project: Project) -> None:
    user = project.sign_up()
    ((tier,),) = project.rows("select subscription_tier from user_profiles where id = %s", user)
    assert tier in {"free", "basic"}


def test_a_profile_that_cannot_be_made_fails_no_sign_up(existing: Project) -> None:
    existing.operator.execute("alter table user_profiles add column birthday date not null default '2000-01-01'")
    existing.operator.execute("alter table user_profiles alter column birthday drop default")
    user = existing.sign_up()
    assert existing.rows("select * from user_profiles where id = %s", user) == []
    answer = existing.call(user, "reserve_usage", user, "standard", "2x", 100)
    assert answer == {"allowed": False, "reason": "no_profile", "current_tier": None}
