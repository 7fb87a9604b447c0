"""What goes wrong with a device becomes DeviceFailed or OutOfMemory, and want of memory first makes tiles smaller."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from daemon.engine.gpu.border import device_errors
from daemon.engine.gpu.families import EnlargeWorkspace
from daemon.engine.gpu.passes import SOFTWARE, Family, Layout, TileSize, passes_of
from daemon.engine.gpu.pipeline import compile_pass
from daemon.engine.gpu.readback import Readback
from daemon.engine.gpu.upscaler import SMALLEST_TILE, GpuUpscaler
from daemon.engine.resampling import Light, Resampling
from daemon.engine.taps import AxisTaps
from daemon.engine.tiling import Tile
from daemon.engine.upscaler import Pixels
from daemon.errors import Cancelled, DeviceFailed, OutOfMemory

SOURCE = np.random.default_rng(1).integers(0, 256, (100, 100, 3), dtype=np.uint8)
GAMMA = Resampling(Light.GAMMA, 0.0)


def run(engine: GpuUpscaler) -> Any:
    return engine.upscale(SOURCE, (200, 200), GAMMA, lambda _share: None)


class Stingy(EnlargeWorkspace):
    """Has memory for `most` words of result only."""

    most = 0
    asked: list[int]

    def __init__(self, device: Any, size: TileSize, layout: Layout, taps: tuple[AxisTaps, AxisTaps]) -> None:
        words = size.columns * size.out_rows
        Stingy.asked.append(words)
        if words > Stingy.most:
            raise OutOfMemory("no memory for a tile")
        super().__init__(device, size, layout, taps)


@pytest.fixture
def stingy(own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch) -> GpuUpscaler:
    monkeypatch.setattr("daemon.engine.gpu.upscaler.WORKSPACES", {Family.ENLARGE: Stingy})
    monkeypatch.setattr(Stingy, "asked", [], raising=False)
    return own_engine


def test_tiles_are_halved_until_they_fit(
    engine: GpuUpscaler, stingy: GpuUpscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stingy, "most", 100 * 100)
    assert np.array_equal(run(stingy), run(engine))
    assert stingy._most == (128, 128)


def test_the_smaller_tiles_are_kept_for_later_jobs(stingy: GpuUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stingy, "most", 100 * 100)
    run(stingy)
    asked = len(Stingy.asked)
    run(stingy)
    assert len(Stingy.asked) == asked


def test_where_even_the_smallest_tile_does_not_fit_it_is_out_of_memory(stingy: GpuUpscaler) -> None:
    with pytest.raises(OutOfMemory):
        run(stingy)
    assert stingy._most == (SMALLEST_TILE, SMALLEST_TILE)


def test_memory_that_runs_out_in_the_middle_halves_the_tiles_and_the_share_never_falls(
    engine: GpuUpscaler, own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_engine._most = (128, 128)
    queue, refusals = own_engine._handle.queue, iter([False, True])
    submit = queue.submit

    def sometimes(commands: object) -> None:
        if next(refusals, False):
            raise RuntimeError("Not enough memory left.")
        submit(commands)

    monkeypatch.setattr(queue, "submit", sometimes)
    shares: list[float] = []
    made = own_engine.upscale(SOURCE, (200, 200), GAMMA, shares.append)
    assert np.array_equal(made, run(engine))
    assert own_engine._most == (64, 64)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_job_that_is_given_up_leaves_nothing_on_its_way_into_the_next(
    engine: GpuUpscaler, own_engine: GpuUpscaler
) -> None:
    own_engine._most = (64, 64)

    def stop(share: float) -> None:
        if share > 0.3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        own_engine.upscale(255 - SOURCE, (200, 200), GAMMA, stop)
    assert np.array_equal(run(own_engine), run(engine))


def test_the_next_tile_is_with_the_device_before_one_is_copied_out(
    own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_engine._most = (64, 64)
    done: list[str] = []
    run_tile, read = GpuUpscaler._run, GpuUpscaler._read

    def running(engine: GpuUpscaler, *arguments: Any) -> None:
        done.append("run")
        run_tile(engine, *arguments)

    def reading(engine: GpuUpscaler, *arguments: Any) -> None:
        done.append("read")
        read(engine, *arguments)

    monkeypatch.setattr(GpuUpscaler, "_run", running)
    monkeypatch.setattr(GpuUpscaler, "_read", reading)
    run(own_engine)
    assert done == ["run", "run", *["read", "run"] * 14, "read", "read"]


def test_a_callback_that_is_out_of_memory_stops_the_work(engine: GpuUpscaler) -> None:
    def fail(_share: float) -> None:
        raise OutOfMemory("not ours")

    with pytest.raises(OutOfMemory, match="not ours"):
        engine.upscale(SOURCE, (200, 200), GAMMA, fail)


def test_a_buffer_no_driver_grants_is_out_of_memory_or_a_failed_device(own_engine: GpuUpscaler) -> None:
    with pytest.raises((OutOfMemory, DeviceFailed)), device_errors("allocating too much"):
        own_engine._handle.create_buffer(size=1 << 40, usage=0x80)


def test_a_device_that_is_lost_between_jobs_has_failed(own_engine: GpuUpscaler) -> None:
    run(own_engine)
    own_engine._handle.destroy()
    with pytest.raises(DeviceFailed):
        run(own_engine)


def test_a_loss_that_only_the_log_tells_of_is_a_failed_device(own_engine: GpuUpscaler) -> None:
    def lose(_share: float) -> None:
        logging.getLogger("wgpu").error("DEVICE LOST!")

    own_engine._most = (64, 64)
    with pytest.raises(DeviceFailed, match="DEVICE LOST"):
        own_engine.upscale(SOURCE, (200, 200), GAMMA, lose)


def test_a_submit_that_fails_is_a_failed_device(own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_commands: object) -> None:
        raise RuntimeError("submit refused")

    monkeypatch.setattr(own_engine._handle.queue, "submit", refuse)
    with pytest.raises(DeviceFailed, match="submit refused"):
        run(own_engine)


def test_closing_twice_and_closing_a_lost_device_are_quiet(own_engine: GpuUpscaler) -> None:
    own_engine._handle.destroy()
    own_engine.close()
    own_engine.close()


def test_the_error_of_a_broken_shader_names_its_label(own_engine: GpuUpscaler) -> None:
    broken = passes_of(Family.ENLARGE, GAMMA, Layout(3), SOFTWARE)[0]
    with pytest.raises(DeviceFailed, match=r"enlarge_x\.wgsl(?s:.)*nonsense"):
        compile_pass(own_engine._handle, broken, source="@compute fn main() { nonsense(); }")


def test_our_own_errors_pass_the_border_and_foreign_memory_errors_become_ours() -> None:
    with pytest.raises(Cancelled), device_errors("anything"):
        raise Cancelled("by the user")
    with pytest.raises(OutOfMemory, match="a tile"), device_errors("a tile"):
        raise MemoryError
    with pytest.raises(OutOfMemory), device_errors("a tile"):
        raise RuntimeError("Validation Error: Not enough memory left")


def test_a_tile_that_comes_out_black_is_a_failed_device(
    own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is computed for the second of the tiles: its buffer is as the driver hands it out, all zeros."""
    own_engine._most = (64, 64)
    read, tiles = GpuUpscaler._read, []

    def nothing_from_the_second(
        engine: GpuUpscaler, space: EnlargeWorkspace, readback: Readback, tile: Tile, result: Pixels, channels: int
    ) -> None:
        tiles.append(tile)
        if len(tiles) == 1:
            read(engine, space, readback, tile, result, channels)
        else:
            result[tile.y.out_start : tile.y.out_stop, tile.x.out_start * channels : tile.x.out_stop * channels] = 0

    monkeypatch.setattr(GpuUpscaler, "_read", nothing_from_the_second)
    with pytest.raises(DeviceFailed, match="black"):
        own_engine.upscale(SOURCE, (200, 200), Resampling(), lambda _share: None)
    assert len(tiles) == 2


def test_pixels_that_are_not_the_exact_ones_are_a_failed_device(
    own_engine: GpuUpscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that hands out another job's memory, say, for one tile of many."""
    own_engine._most = (64, 64)
    read, tiles = GpuUpscaler._read, []

    def another_jobs(
        engine: GpuUpscaler, space: EnlargeWorkspace, readback: Readback, tile: Tile, result: Pixels, channels: int
    ) -> None:
        read(engine, space, readback, tile, result, channels)
        tiles.append(tile)
        if len(tiles) == 5:
            result[tile.y.out_start : tile.y.out_stop, tile.x.out_start * channels : tile.x.out_stop * channels] ^= 0x55

    monkeypatch.setattr(GpuUpscaler, "_read", another_jobs)
    with pytest.raises(DeviceFailed, match="off the reference"):
        own_engine.upscale(SOURCE, (200, 200), Resampling(), lambda _share: None)
    assert len(tiles) == 5
