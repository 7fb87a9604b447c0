"""`/api/cache`: what is kept, and letting go of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
import pytest_asyncio

from daemon.accounts.caller import Caller
from tests.api.conftest import Service, png, running

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> AsyncIterator[Service]:
    """A service of this module's own: nobody else's pictures are in its cache."""
    async with running(tmp_path_factory.mktemp("kept"), kernel_cache) as service:
        yield service


def results(service: Service) -> int:
    return len(list((service.values.folders.cache / "results").iterdir()))


async def fetch(service: Service, job: str) -> int:
    async with service.session.get(f"/api/jobs/{job}/result") as response:
        await response.read()
    if response.status == 200:
        while (await service.parts.ledger.get(job, "local")).fetched_at is None:
            pass  # noted a moment after all is sent
    return response.status


async def test_what_was_fetched_can_be_let_go_and_what_was_not_stays(kept: Service) -> None:
    fetched, unfetched = [(await kept.submit())["id"] for _ in range(2)]
    assert await fetch(kept, fetched) == 200
    status, before = await kept.json("GET", "/api/cache")
    assert status == 200
    assert (before["scope"], before["entries"], before["ttl_seconds"]) == ("all", 2, 86_400.0)
    assert 0 < before["unfetched_bytes"] < before["bytes"] < before["bound_bytes"]
    status, cleared = await kept.json("DELETE", "/api/cache")
    assert (status, cleared["files_removed"], cleared["cache"]["entries"]) == (200, 1, 1)
    assert (await fetch(kept, fetched), await fetch(kept, unfetched)) == (410, 200)
    assert (await kept.json("DELETE", "/api/cache"))[1]["files_removed"] == 1
    assert results(kept) == 0


async def test_unfetched_results_go_where_that_is_asked(kept: Service) -> None:
    job = (await kept.submit())["id"]
    assert (await kept.json("DELETE", "/api/cache?unfetched=true"))[1]["cache"]["entries"] == 0
    status, problem = await kept.json("GET", f"/api/jobs/{job}/result")
    assert (status, problem["code"]) == (410, "result_expired")
    assert results(kept) == 0


async def test_what_was_cleared_is_computed_anew(kept: Service) -> None:
    picture = png()
    assert [(await kept.submit(picture))["cache"] for _ in range(2)] == ["miss", "hit"]
    await kept.json("DELETE", "/api/cache?unfetched=1")
    assert (await kept.submit(picture))["cache"] == "miss"


async def test_others_see_and_clear_only_what_their_own_jobs_made(
    kept: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.submit()
    monkeypatch.setattr("daemon.api.guard.identify", AsyncMock(return_value=Caller("http://localhost:3002")))
    async with kept.session.post("/api/process", data=png(), headers={"Prefer": "wait=30"}) as response:
        assert (await response.json())["state"] == "done"
    seen = (await kept.json("GET", "/api/cache"))[1]
    assert (seen["scope"], seen["entries"]) == ("own", 1)
    assert (await kept.json("DELETE", "/api/cache?unfetched=true"))[1]["files_removed"] == 1
    monkeypatch.undo()
    assert (await kept.json("GET", "/api/cache"))[1]["entries"] >= 1


async def test_a_wrong_word_in_the_query_is_told(kept: Service) -> None:
    status, problem = await kept.json("DELETE", "/api/cache?unfetched=perhaps&all=1")
    assert (status, problem["code"], set(problem["fields"])) == (400, "bad_request", {"unfetched", "all"})
