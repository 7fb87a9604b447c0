from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.accounts.project import ProjectHttp
from daemon.accounts.signing_keys import SigningKeys
from daemon.accounts.users import Users
from tests.accounts.fake_project import FakeProject, fake_project
from tests.store.rows import Clock


@dataclass
class Accounts:
    """The users of a fake project, as a daemon sees them; its clocks are the test's."""

    fake: FakeProject
    http: ProjectHttp
    steady: Clock
    clock: Clock
    file: Path

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As a daemon that starts."""
        self.keys = SigningKeys(self.http, self.file, self.steady, self.clock)
        self.keys.load()
        self.users = Users(self.fake.project, self.http, self.keys, self.steady)

    def pass_time(self, seconds: float) -> None:
        self.steady.now += seconds
        self.clock.now += seconds


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with fake_project() as fake:
        http = ProjectHttp(fake.project)
        await http.open()
        yield Accounts(fake, http, Clock(0.0), Clock(), tmp_path / "signing-keys.json")
        await http.close()
