"""Values of what a service says, of whatever version it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daemon.api.wire.jobs import JobOut
from daemon.client.views import Failure, JobEvent, JobView, known_error, read_job
from daemon.errors import BrokenImage, Cancelled, ProEngineError, ResultNotReady, UnexpectedAnswer
from tests.api.conftest import Service

WIRE = {"id": "x", "state": "queued", "created_at": "2026-01-02T03:04:05.678Z", "error": None}


def test_it_has_every_member_of_the_wire() -> None:
    assert JobOut.model_fields.keys() <= JobView.__dataclass_fields__.keys()


def test_a_later_service_may_say_more_and_an_earlier_one_less() -> None:
    job = read_job(WIRE | {"mood": "good", "state": "paused"})
    assert (job.state, job.raw["mood"], job.is_over) == ("paused", "good", False)
    assert job.created_at == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert read_job({"id": "x", "state": "running"}).progress == 0.0
    assert read_job(WIRE | {"state": "expired", "finished_at": WIRE["created_at"]}).is_over


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"state": None}, {"created_at": "soon"}, {"created_at": 5}, {"error": "x"}, {"error": {"x": 1}}],
)
def test_what_is_no_job_is_an_error(change: dict[str, Any]) -> None:
    body = {name: value for name, value in (WIRE | change).items() if name not in change or value is not None}
    with pytest.raises(UnexpectedAnswer):
        read_job(body)


def test_values_are_compared_by_what_they_say_and_can_be_kept_in_sets() -> None:
    assert read_job(WIRE) == read_job(WIRE | {"mood": "good"})
    assert len({read_job(WIRE), read_job(WIRE | {"stages": {"decode_ms": 1.0}})}) == 2
    assert len({JobEvent(1, "a", "done", {"x": 1}), JobEvent(1, "a", "done", {"x": 1})}) == 1


def test_only_a_job_that_is_done_is_well() -> None:
    JobView(id="x", state="done").require_done()
    with pytest.raises(ResultNotReady):
        JobView(id="x", state="running").require_done()
    with pytest.raises(Cancelled):
        JobView(id="x", state="cancelled").require_done()
    with pytest.raises(BrokenImage, match="broken"):
        JobView(id="x", state="failed", error=Failure("broken_image", "broken")).require_done()


def test_the_code_of_a_later_services_error_is_kept() -> None:
    error = known_error("a_later_code", "no more", current_tier="free")
    assert (type(error), error.message) == (ProEngineError, "no more")
    assert error.details == {"code": "a_later_code", "current_tier": "free"}


@pytest.mark.asyncio(loop_scope="session")
async def test_a_job_of_the_real_service_arrives_whole(service: Service) -> None:
    body = await service.submit()
    job = read_job(body)
    for name in JobOut.model_fields.keys() - {"created_at", "started_at", "finished_at"}:
        assert getattr(job, name) == body[name]
    assert job.is_over
