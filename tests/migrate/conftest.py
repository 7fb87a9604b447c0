"""A project of the tests' own with the admin API before it, and old files to be moved there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from daemon.migrate.apply import ApplyReport, apply
from daemon.migrate.backup import backup
from daemon.migrate.choices import Choices
from daemon.migrate.defaults import Tempo
from daemon.migrate.destination import Destination
from daemon.migrate.migration import Migration, opened_desk, opened_migration
from daemon.migrate.plan import PlanReport, plan
from daemon.migrate.progress import Unwatched
from daemon.migrate.rulings import read_rulings
from daemon.migrate.work import Work, work_of
from tests.migrate.admin_emulator import AdminGate
from tests.migrate.legacy_files import RULES
from tests.migrate.target import Target, running_project
from tests.supabase.conftest import Cluster
from tests.supabase.conftest import cluster as cluster  # noqa: PLC0414, a fixture
from tests.supabase.lite_server import Lite

# two cores are shared with servers: how long an example takes says nothing
settings.register_profile("shared cores", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared cores")
QUICK = Tempo(patience=20.0, batch=50)


@pytest.fixture(scope="session")
def lite_and_dsn(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lite, str]]:
    with running_project(cluster, tmp_path_factory.mktemp("lite")) as project:
        yield project


@pytest.fixture
def target(lite_and_dsn: tuple[Lite, str]) -> Iterator[Target]:
    """Empty."""
    one = Target(lite_and_dsn[1])
    one.empty()
    yield one
    one.db.close()


@pytest.fixture
async def gate(lite_and_dsn: tuple[Lite, str], target: Target) -> AsyncIterator[AdminGate]:
    async with AdminGate(*lite_and_dsn).running() as one:
        yield one


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr("daemon.migrate.patience.FIRST_SECONDS", 0.001)
    monkeypatch.setattr("daemon.migrate.patience.MOST_SECONDS", 0.002)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return work_of(tmp_path / "pro-upscaler.db")


CHOICES = Choices(rulings=read_rulings(None, RULES))


@asynccontextmanager
async def migrating(work: Work, gate: AdminGate, tempo: Tempo = QUICK) -> AsyncIterator[Migration]:
    with opened_desk(work, Unwatched()) as desk:
        destination = Destination(gate.url, gate.lite.secret_key)
        async with opened_migration(desk, destination, tempo) as migration:
            yield migration


async def planned(work: Work, gate: AdminGate, choices: Choices = CHOICES) -> PlanReport:
    """Backed up and planned."""
    async with migrating(work, gate) as migration:
        backup(work, migration.ledger, migration.journal, migration.progress)
        return await plan(migration, choices)


async def moved(work: Work, gate: AdminGate, choices: Choices = CHOICES, tempo: Tempo = QUICK) -> ApplyReport:
    """Backed up, planned and applied."""
    await planned(work, gate, choices)
    async with migrating(work, gate, tempo) as migration:
        return await apply(migration)
