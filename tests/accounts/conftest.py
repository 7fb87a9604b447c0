from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.accounts.limits import AccountLimits
from daemon.accounts.profile import Profiles
from daemon.accounts.project import ProjectHttp
from daemon.accounts.signing_keys import SigningKeys
from daemon.accounts.tokens import Tokens
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
        self.tokens = Tokens(self.clock)
        self.users = Users(self.fake.project, self.http, self.keys, self.tokens, self.steady)
        self.profiles = Profiles(self.http, self.tokens, self.clock, self.steady)
        self.limits = AccountLimits(self.http, self.tokens, self.profiles, self.clock)

    def sign_in(self, seconds: float = 3600.0) -> str:
        """A user whose token is known for so long."""
        user = str(uuid.uuid4())
        expires = self.clock.now + seconds
        self.tokens.note(user, self.fake.token(sub=user, exp=int(time.time() + seconds)), expires)
        return user

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
