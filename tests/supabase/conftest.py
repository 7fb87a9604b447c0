"""A private PostgreSQL cluster, and in it one database for each test: a fresh project, or one that was there before."""

from __future__ import annotations

import getpass
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.supabase.gate import Gate
from tests.supabase.lite_server import Lite, running_lite

HERE = Path(__file__).parent
MIGRATIONS = sorted((HERE.parents[1] / "supabase" / "migrations").glob("*.sql"))
MISSING = "PostgreSQL is not installed: sudo apt-get install postgresql"
Row = tuple[Any, ...]


def binaries() -> Path | None:
    """The newest PostgreSQL server's programs; Debian does not put them on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@dataclass(frozen=True)
class Cluster:
    port: int
    folder: Path

    def dsn(self, database: str) -> str:
        return f"host={self.folder} port={self.port} user=postgres dbname={database}"

    def url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"


@contextmanager
def running_cluster(programs: Path) -> Iterator[Cluster]:
    """It listens to this machine only. As root it would refuse to run, so root runs it as `postgres`."""
    as_server = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
    with tempfile.TemporaryDirectory(prefix="pro-engine-pg-", dir="/tmp") as name:
        folder, port = Path(name), random.randrange(20_000, 32_000)
        if as_server:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        run(
            [
                *as_server,
                programs / "initdb",
                "-D",
                data,
                "-A",
                "trust",
                "-U",
                "postgres",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ]
        )
        settings = ("listen_addresses=127.0.0.1", "max_connections=300", "fsync=off", "timezone=Asia/Tokyo")
        options = " ".join([f"-p {port} -k {folder}", *(f"-c {one}" for one in settings)])
        run([*as_server, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            yield Cluster(port, folder)
        finally:
            run([*as_server, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])


def run(command: Sequence[str | Path]) -> None:
    subprocess.run([os.fspath(part) for part in command], check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    programs = binaries()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with running_cluster(programs) as one:
        yield one


class Project:
    """One database, looked at through the roles that the Data API takes on for its callers."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.operator = psycopg.connect(dsn, autocommit=True)

    def script(self, path: Path) -> None:
        self.operator.execute(path.read_bytes())

    def migrate(self) -> None:
        for migration in MIGRATIONS:
            self.script(migration)

    def sign_up(self) -> uuid.UUID:
        row = self.operator.execute("insert into auth.users default values returning id").fetchone()
        assert row
        found: uuid.UUID = row[0]
        return found

    def rows(self, query: str, *values: Any) -> list[Row]:
        found: list[Row] = self.operator.execute(query.encode(), values).fetchall()
        return found

    @contextmanager
    def caller(self, role: str, user: uuid.UUID | None = None) -> Iterator[psycopg.Connection[Row]]:
        """A connection that may do what a request with that user's token may."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            claims = Jsonb({"role": role, **({"sub": str(user)} if user else {})})
            connection.execute("select set_config('request.jwt.claims', (%s)::text, false)", [claims])
            connection.execute(f"set role {role}".encode())
            yield connection

    def call(self, user: uuid.UUID, function: str, *arguments: Any) -> Any:
        """A function's answer to a signed-in user."""
        with self.caller("authenticated", user) as connection:
            return call(connection, function, *arguments)

    def close(self) -> None:
        self.operator.close()


def call(connection: psycopg.Connection[Row], function: str, *arguments: Any) -> Any:
    places = ", ".join(["%s"] * len(arguments))
    row = connection.execute(f"select public.{function}({places})".encode(), arguments).fetchone()
    assert row
    return row[0]


NewProject = Callable[..., Project]
EXISTING = HERE / "existing.sql"


def database(cluster: Cluster, template: str = "template1") -> str:
    name = f"project_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
    return name


@pytest.fixture(scope="session")
def templates(cluster: Cluster) -> dict[str, str]:
    """A fresh project and an existing one, migrated, to be copied for each test."""
    made = {}
    for kind, before in (("fresh", None), ("existing", EXISTING)):
        made[kind] = database(cluster)
        project = Project(cluster.dsn(made[kind]))
        project.script(HERE / "fake_auth.sql")
        if before:
            project.script(before)
        project.migrate()
        project.close()
    return made


@pytest.fixture
def new_project(cluster: Cluster) -> Iterator[NewProject]:
    """Databases with the fake of Supabase Auth, and with what `existing` has beside it; not migrated."""
    made: list[Project] = []

    def make(existing: Path | None = None) -> Project:
        project = Project(cluster.dsn(database(cluster)))
        made.append(project)
        project.script(HERE / "fake_auth.sql")
        if existing:
            project.script(existing)
        return project

    yield make
    for project in made:
        project.close()


@pytest.fixture
def fresh(cluster: Cluster, templates: dict[str, str]) -> Iterator[Project]:
    project = Project(cluster.dsn(database(cluster, templates["fresh"])))
    yield project
    project.close()


@pytest.fixture
def existing(cluster: Cluster, templates: dict[str, str]) -> Iterator[Project]:
    """Migrated too."""
    project = Project(cluster.dsn(database(cluster, templates["existing"])))
    yield project
    project.close()


@pytest.fixture(params=["fresh", "existing"])
def project(request: pytest.FixtureRequest) -> Project:
    """Either, migrated: its users may do ten jobs a day."""
    found: Project = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def on_pglite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """Supabase's HTTP API over a database in the server's own process: one connection, so no races."""
    with running_lite(tmp_path_factory.mktemp("pglite"), "pglite", "supabase/.temp/data") as lite:
        yield lite


@pytest.fixture(scope="session")
def on_postgres(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """The same over PostgreSQL. The server gives all rights on tables away when it starts; then ours are put back."""
    name = database(cluster)
    with running_lite(tmp_path_factory.mktemp("lite"), "postgres", cluster.url(name)) as lite:
        with psycopg.connect(cluster.dsn(name), autocommit=True) as operator:
            operator.execute("select private.apply_grants()")
        yield lite


@pytest.fixture
async def gate(request: pytest.FixtureRequest) -> AsyncIterator[Gate]:
    """Before the server on PostgreSQL, unless the test names the other one."""
    lite: Lite = request.getfixturevalue(getattr(request, "param", "on_postgres"))
    async with Gate(lite).running() as one:
        yield one


DRIVERS = pytest.mark.parametrize("gate", ["on_pglite", "on_postgres"], indirect=True)
