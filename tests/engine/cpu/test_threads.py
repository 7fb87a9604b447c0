"""Cancelling, closing and failing: nobody writes afterwards, and the engine stays usable or says that it is closed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from daemon.engine.cpu.compiled import load_band
from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.resampling import Resampling
from daemon.errors import Cancelled, DeviceFailed, OutOfMemory

SOURCE = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
SIZE = (256, 256)


def quietly(_share: float) -> None:
    """Progress nobody looks at."""


def cancel(_share: float) -> None:
    raise Cancelled("asked to stop")


def test_cancel_passes_through_and_leaves_the_engine_usable(engine: CpuUpscaler) -> None:
    before = engine.upscale(SOURCE, SIZE, Resampling(), quietly)
    for _ in range(20):
        with pytest.raises(Cancelled):
            engine.upscale(SOURCE, SIZE, Resampling(), cancel)
    assert np.array_equal(engine.upscale(SOURCE, SIZE, Resampling(), quietly), before)


def test_progress_is_told_on_the_callers_thread(engine: CpuUpscaler) -> None:
    threads: set[int] = set()
    engine.upscale(SOURCE, SIZE, Resampling(), lambda _share: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_after_a_cancel_no_band_is_begun_and_none_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CpuUpscaler(threads=2, band_rows=1)
    begun, under_way = [0], [0]
    kernel, lock = load_band(), threading.Lock()

    def counted(*arguments: Any) -> None:
        with lock:
            begun[0] += 1
            under_way[0] += 1
        kernel(*arguments)
        with lock:
            under_way[0] -= 1

    monkeypatch.setattr("daemon.engine.cpu.bands.load_band", lambda **_: counted)
    with pytest.raises(Cancelled):
        engine.upscale(SOURCE, (64, 512), Resampling(), cancel)
    assert under_way[0] == 0
    at_cancel = begun[0]
    assert at_cancel < 512
    engine.close()
    assert begun[0] == at_cancel


def test_a_kernel_out_of_memory_is_told_as_such_and_leaves_the_engine_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CpuUpscaler(threads=2)

    def exhausted(*_arguments: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("daemon.engine.cpu.bands.load_band", lambda **_: exhausted)
        with pytest.raises(OutOfMemory):
            engine.upscale(SOURCE, SIZE, Resampling(), quietly)
    assert engine.upscale(SOURCE, SIZE, Resampling(), quietly).shape == (256, 256, 3)
    engine.close()


def test_closed_twice_it_refuses_work() -> None:
    engine = CpuUpscaler(threads=1)
    engine.close()
    engine.close()
    with pytest.raises(DeviceFailed, match="closed"):
        engine.upscale(SOURCE, SIZE, Resampling(), quietly)


def test_close_from_another_thread_waits_for_the_work_in_hand() -> None:
    engine = CpuUpscaler(threads=2, band_rows=8)
    closers: list[threading.Thread] = []

    def close_once(_share: float) -> None:
        if not closers:
            closers.append(threading.Thread(target=engine.close))
            closers[0].start()

    result = engine.upscale(SOURCE, SIZE, Resampling(), close_once)
    closers[0].join()
    again = CpuUpscaler(threads=2)
    assert np.array_equal(result, again.upscale(SOURCE, SIZE, Resampling(), quietly))
    again.close()
