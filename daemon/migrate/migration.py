"""One migration: a work folder that is held, its ledger, and the project."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from daemon.errors import MigrationRefused
from daemon.migrate.admin_api import AdminApi
from daemon.migrate.choices import Choices, from_json
from daemon.migrate.data_api import DataApi
from daemon.migrate.defaults import Tempo
from daemon.migrate.destination import Destination
from daemon.migrate.forms import Forms
from daemon.migrate.http import opened_http
from daemon.migrate.journal import Journal
from daemon.migrate.ledger import Ledger, open_ledger
from daemon.migrate.patience import Pace, Patience
from daemon.migrate.progress import Progress
from daemon.migrate.work import Work, held


@dataclass(frozen=True)
class Migration:
    work: Work
    ledger: Ledger
    journal: Journal
    progress: Progress
    data: DataApi
    admin: AdminApi
    destination: Destination
    run: str  # what marks all that one migration makes
    tempo: Tempo
    patience: Patience

    @property
    def project(self) -> str:
        return self.destination.url

    def claim(self) -> None:
        """From now on the work folder is of this project and this run."""
        with self.ledger.transaction():
            self.ledger.set("project", self.project)
            self.ledger.set("run", self.run)

    def planned(self) -> tuple[Choices, Forms]:
        """As the plan has it. Raises MigrationRefused where there is none."""
        kept = self.ledger.require("plan", "plan")
        choices = from_json(kept)
        return choices, choices.forms(self.project, kept["tiers"])


@dataclass(frozen=True)
class Desk:
    """What steps without a project need."""

    work: Work
    ledger: Ledger
    journal: Journal
    progress: Progress


@contextlib.contextmanager
def opened_desk(work: Work, progress: Progress) -> Iterator[Desk]:
    """Raises MigrationRefused while another run has the folder, and where nothing can be written to it."""
    try:
        with (
            held(work),
            contextlib.closing(open_ledger(work.ledger)) as ledger,
            contextlib.closing(Journal(work.log)) as journal,
        ):
            yield Desk(work, ledger, journal, progress)
    except (OSError, sqlite3.Error) as error:
        raise MigrationRefused(f"{work.folder} cannot be written: {error}; run again when that is mended") from error


@contextlib.asynccontextmanager
async def opened_migration(desk: Desk, destination: Destination, tempo: Tempo) -> AsyncIterator[Migration]:
    """Raises MigrationRefused where the folder is of a migration to another project."""
    ledger = desk.ledger
    if (known := ledger.get("project")) not in {None, destination.url}:
        raise MigrationRefused(f"{desk.work.folder} is of a migration to {known}, not to {destination.url}")
    run, patience = str(ledger.get("run") or uuid.uuid4()), Patience(tempo.patience)
    async with opened_http(destination) as http:
        yield Migration(
            work=desk.work,
            ledger=ledger,
            journal=desk.journal,
            progress=desk.progress,
            data=DataApi(http, patience),
            admin=AdminApi(http, patience, Pace(tempo.admin_rate), run),
            destination=destination,
            run=run,
            tempo=tempo,
            patience=patience,
        )
