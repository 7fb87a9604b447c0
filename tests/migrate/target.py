"""The project that the tests move to: @supabase/lite on PostgreSQL, and its database, looked at as its operator."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.migrate.admin_emulator import install
from tests.supabase.conftest import MISSING, Cluster, binaries, database, running_cluster
from tests.supabase.lite_server import Lite, running_lite

CACHE = Path(__file__).parents[2] / ".cache"
TABLES = (
    *("auth.users", "auth.identities", "public.user_profiles", "public.usage_logs"),
    *("public.usage_reservations", "public.usage_counters"),
)
Dump = dict[str, list[str]]


@contextmanager
def running_project(cluster: Cluster, folder: Path) -> Iterator[tuple[Lite, str]]:
    """The server and its database's address, with the emulator's functions in it."""
    name = database(cluster)
    with running_lite(folder, "postgres", cluster.url(name)) as lite:
        install(cluster.dsn(name))
        with psycopg.connect(cluster.dsn(name), autocommit=True) as operator:
            operator.execute("select private.apply_grants()")
        yield lite, cluster.dsn(name)


@contextmanager
def running_target() -> Iterator[tuple[Path, Lite, str]]:
    """For who is no test: with a folder that is on the disk, as a /tmp need not be."""
    programs = binaries()
    assert programs is not None, MISSING
    CACHE.mkdir(exist_ok=True)
    os.environ.setdefault("PRO_ENGINE_TEST_CACHE", str(CACHE / "test"))
    with tempfile.TemporaryDirectory(prefix="migrate-", dir=CACHE) as name, running_cluster(programs) as cluster:
        (Path(name) / "lite").mkdir()
        with running_project(cluster, Path(name) / "lite") as (lite, dsn):
            yield Path(name), lite, dsn


class Target:
    def __init__(self, dsn: str) -> None:
        self.db = psycopg.connect(dsn, autocommit=True)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(query.encode(), values).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def empty(self) -> None:
        self.db.execute("truncate auth.users, auth.sessions, auth.refresh_tokens cascade")

    def dump(self) -> Dump:
        """All that a migration could touch, row for row."""
        return {table: sorted(row[0] for row in self.rows(f"select t::text from {table} t")) for table in TABLES}

    def logs(self) -> list[tuple[Any, ...]]:
        """As `Expected.logs` has them."""
        return sorted(
            self.rows(
                "select u.email, l.processing_type, l.scale_factor, l.image_pixels, l.processing_time_ms, "
                "(extract(epoch from l.created_at) * 1000000)::bigint "
                "from public.usage_logs l join auth.users u on u.id = l.user_id"
            ),
            key=repr,
        )

    def users(self) -> dict[str, tuple[str, int]]:
        """As `Expected.users` has them."""
        query = (
            "select u.email, p.subscription_tier, (extract(epoch from p.created_at) * 1000000)::bigint "
            "from auth.users u join public.user_profiles p on p.id = u.id"
        )
        return {email: (tier, created) for email, tier, created in self.rows(query)}

    def add_account(self, email: str, tier: str = "free", user: str | None = None) -> str:
        """One that was there before."""
        made = self.one(
            "select emulator.create_account(jsonb_strip_nulls(jsonb_build_object('email', %s::text, 'id', %s::text, "
            "'password_hash', '$2b$10$' || repeat('.', 53)))) ->> 'id'",
            email,
            user,
        )
        self.db.execute("update public.user_profiles set subscription_tier = %s where id = %s", [tier, made])
        return str(made)
