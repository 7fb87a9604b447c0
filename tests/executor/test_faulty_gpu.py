"""A graphics library or driver that is broken, in whatever way, costs the GPU and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.executor.child import Child
from daemon.executor.local import LocalExecutor
from daemon.executor.options import WorkerOptions
from daemon.executor.slot import WorkerSlot
from tests.executor.conftest import Start, assignment, ignore


async def works(executor: LocalExecutor, picture: Path) -> None:
    task = assignment(picture, 128, 96)
    done = await (await executor.lease()).run(task, ignore)
    assert done.device.kind == "cpu"
    assert Path(task.sink.path).stat().st_size == done.size


@pytest.mark.parametrize("wish", ["auto", "gpu"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raises", "cannot open shared object file"),
        ("no_adapters", "no graphics adapter was found"),
        ("adapters_raise", "ERROR_INITIALIZATION_FAILED"),
        ("nonsense", "object"),
    ],
)
async def test_a_library_that_fails_is_told_of_and_the_cpu_takes_over_at_once(
    start: Start, faulty: Callable[[str], None], picture: Path, wish: str, kind: str, reason: str
) -> None:
    faulty(kind)
    executor = await start(wish)
    status = executor.status()
    assert [device.kind for device in status.devices] == ["cpu"]
    assert [(item.name, item.quarantined) for item in status.rejected] == [("wgpu", False)]
    assert reason in status.rejected[0].reason
    assert status.starts == {"cpu": 1}
    await works(executor, picture)


@pytest.mark.parametrize("wish", ["auto", "gpu"])
async def test_a_library_that_crashes_costs_one_worker(
    start: Start, faulty: Callable[[str], None], picture: Path, wish: str
) -> None:
    faulty("crashes")
    executor = await start(wish)
    status = executor.status()
    assert [device.kind for device in status.devices] == ["cpu"]
    assert [(item.name, item.quarantined) for item in status.rejected] == [("gpu", True)]
    assert "-11" in status.rejected[0].reason
    assert status.starts == {"crashed": 1, "cpu": 1}
    await works(executor, picture)


@pytest.mark.parametrize("wish", ["auto", "gpu"])
async def test_a_library_that_hangs_costs_its_deadline(
    start: Start, faulty: Callable[[str], None], picture: Path, wish: str
) -> None:
    faulty("hangs")
    executor = await start(wish, open_deadline=3.0)
    status = executor.status()
    assert [device.kind for device in status.devices] == ["cpu"]
    assert [(item.name, item.quarantined) for item in status.rejected] == [("gpu", True)]
    assert "did not start within 3 s" in status.rejected[0].reason
    assert status.starts == {"hung": 1, "cpu": 1}
    await works(executor, picture)


async def test_the_real_library_without_any_driver(
    start: Start, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    """As in a container that has the wheels and nothing else."""
    monkeypatch.setenv("VK_DRIVER_FILES", "/nonexistent")
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent")
    monkeypatch.delenv("DISPLAY", raising=False)
    executor = await start("auto")
    status = executor.status()
    assert [device.kind for device in status.devices] == ["cpu"]
    assert status.rejected
    assert all(item.reason for item in status.rejected)
    assert status.starts == {"cpu": 1}
    await works(executor, picture)


async def test_a_wish_that_no_adapter_meets_is_told_of(start: Start, faulty: Callable[[str], None]) -> None:
    faulty("no_adapters")
    executor = await start("GeForce 9999")
    assert [device.kind for device in executor.status().devices] == ["cpu"]


async def test_compiling_on_a_new_machine_may_take_longer_than_opening_a_device(
    start: Start, faulty: Callable[[str], None], tmp_path: Path
) -> None:
    """The deadline for a device must not end a compilation, which would begin anew for ever."""
    faulty("no_adapters")
    executor = await start("auto", open_deadline=3.0, cache=tmp_path / "new")
    assert executor.status().starts == {"cpu": 1}
    assert executor.status().rejected[0].quarantined is False


async def test_a_machine_that_is_slow_to_load_our_own_code_does_not_lose_its_gpu_by_it(
    start: Start, faulty: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that has just been switched on: what is timed is the driver."""
    faulty("no_adapters")
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text("import time\ntime.sleep(4)\n")
    monkeypatch.setenv("PYTHONPATH", f"{slow}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    executor = await start("auto", open_deadline=3.0)
    assert executor.status().starts == {"cpu": 1}
    assert [(item.name, item.quarantined) for item in executor.status().rejected] == [("wgpu", False)]


async def test_where_not_even_the_cpu_can_be_opened_the_status_says_why(
    faulty: Callable[[str], None], tmp_path: Path
) -> None:
    faulty("no_numba")
    told = asyncio.Event()
    options = WorkerOptions(tmp_path, 4 << 30)
    slot = WorkerSlot("cpu", options, lambda _slot: None, lambda _outcome: None)
    settle = slot._ended

    def ended(child: Child) -> None:
        settle(child)
        told.set()

    slot._ended = ended  # type: ignore[method-assign]
    keeper = asyncio.create_task(slot.keep())
    try:
        async with asyncio.timeout(60):
            await told.wait()
        (rejection,) = slot.rejections()
        assert (rejection.name, rejection.quarantined) == ("CPU", True)
        assert "libLLVM" in rejection.reason
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def test_a_worker_is_told_what_to_avoid_whatever_the_names_and_reasons_have_in_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    avoid = {"Card=x": 'y = "z"', "gpu": ""}
    spawned: list[list[str]] = []

    async def spawn(_module: str, arguments: list[str], **_: int) -> Child:
        spawned.append(arguments)
        raise OSError

    monkeypatch.setattr(Child, "spawn", spawn)
    slot = WorkerSlot("cpu", WorkerOptions(tmp_path, 4 << 30), lambda _slot: None, lambda _outcome: None)
    slot._avoid = avoid
    with pytest.raises(OSError):
        await slot._spawn()
    (told,) = [argument for argument in spawned[0] if argument.startswith("--avoid=")]
    assert json.loads(told.removeprefix("--avoid=")) == avoid
