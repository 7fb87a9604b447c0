from __future__ import annotations

from typing import get_args

import pytest

from daemon.executor.executor import ExecutorStatus
from daemon.executor.messages import EngineModel, Rejection, Work
from daemon.jobs.job import AUTO, DEFAULT, ModelName, resolve
from daemon.jobs.models import MODELS, why_not
from tests.jobs.fakes import DEVICE

BROKEN = [Rejection(name="CPU", reason="numba cannot be imported", quarantined=True)]


def test_all_that_may_be_asked_for_is_auto_and_what_is_listed() -> None:
    assert set(get_args(ModelName)) == {AUTO, *(model.name for model in MODELS)}
    assert set(get_args(EngineModel)) == {model.name for model in MODELS}


def test_what_a_job_may_come_to_is_what_a_worker_may_be_told() -> None:
    for name in get_args(ModelName):
        assert Work.model_validate({"width": 1, "height": 1, "model": resolve(name)}).model == resolve(name)
    assert resolve(AUTO) == DEFAULT


@pytest.mark.parametrize(
    "status",
    [
        ExecutorStatus(devices=[DEVICE]),
        ExecutorStatus(warming=1),
        ExecutorStatus(warming=1, rejected=[Rejection(name="GPU", reason="black", quarantined=True)]),
        ExecutorStatus(devices=[DEVICE], rejected=BROKEN),
    ],
    ids=["open", "starting", "without its GPU", "on a GPU alone"],
)
def test_a_resampler_can_be_had_wherever_any_device_can(status: ExecutorStatus) -> None:
    assert [why_not(model, status) for model in MODELS] == [None] * len(MODELS)


def test_without_any_device_the_reason_is_that_of_the_last_resort() -> None:
    reason = why_not(MODELS[0], ExecutorStatus(rejected=BROKEN))
    assert reason is not None
    assert "numba cannot be imported" in reason
