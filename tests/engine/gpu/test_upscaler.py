"""The GPU engine gives what the reference gives, whole or in tiles, again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from daemon.engine.filters import Filter, denoising, sharpening
from daemon.engine.gpu.passes import HARDWARE, SOFTWARE
from daemon.engine.gpu.upscaler import GpuUpscaler
from daemon.engine.gpu.workspace import workspace_bytes
from daemon.engine.reference import filters
from daemon.engine.reference.whole import upscale as reference
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.upscaler import Pixels, Upscaler
from daemon.executor.needs import GridTiles

DEPTHS = [np.uint8, np.uint16]
# levels of 65535: our power and exponential are the driver's, in single precision
MOST_OFF_DEEP = 2
GAMMA = Resampling(Light.GAMMA, 0.0)
SHARED = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
RECIPES = [
    *(Resampling(light, antiring) for light in Light for antiring in (0.0, 0.5, 1.0)),
    *(Resampling(Light.SIGMOID, 0.7, kernel) for kernel in list(Kernel)[1:]),
]
SEPARABLE = [recipe for recipe in RECIPES if not recipe.kernel.is_polar]
FILTERS = [denoising(0.2), denoising(1.0), sharpening(0.4, 2), sharpening(1.0, 8)]


def noise(width: int, height: int, channels: int, seed: int = 0, depth: type[np.unsignedinteger] = np.uint8) -> Pixels:
    most = np.iinfo(depth).max
    return np.random.default_rng(seed).integers(0, most, (height, width, channels), dtype=depth, endpoint=True)


def run(engine: GpuUpscaler, source: Pixels, out_size: tuple[int, int], resampling: Resampling) -> Pixels:
    return engine.upscale(source, out_size, resampling, lambda _share: None)


def assert_as_reference(engine: GpuUpscaler, source: Pixels, out_size: tuple[int, int], resampling: Resampling) -> None:
    """At most one level of 255 off. Where alpha is under half of such a level, nothing of the colour can be seen."""
    made = run(engine, source, out_size, resampling)
    assert made.dtype == source.dtype
    white = np.iinfo(source.dtype).max
    exact = reference(source, *out_size, resampling) * white
    off = np.abs(made - np.rint(exact))
    if source.shape[2] == 4:
        off[exact[:, :, 3] < white / 255 / 2, :3] = 0
    assert off.max() <= (MOST_OFF_DEEP if white > 255 else 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resampling", RECIPES, ids=lambda r: f"{r.kernel}-{r.light}-{r.antiring}")
@pytest.mark.parametrize("depth", DEPTHS)
def test_noise_is_as_in_the_reference(
    engine: GpuUpscaler, channels: int, resampling: Resampling, depth: type[np.unsignedinteger]
) -> None:
    assert_as_reference(engine, noise(37, 21, channels, depth=depth), (74, 42), resampling)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ratio", [1, 1.5, 2, 3.3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (19, 23)])
def test_any_ratio_and_tiny_pictures(engine: GpuUpscaler, size: tuple[int, int], ratio: float, channels: int) -> None:
    out_size = (round(size[0] * ratio), round(size[1] * ratio))
    assert_as_reference(engine, noise(*size, channels), out_size, Resampling(Light.SIGMOID, 0.5))


@SHARED
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ratio=st.tuples(st.floats(1, 8), st.floats(1, 8)),
    channels=st.sampled_from([1, 3, 4]),
    resampling=st.sampled_from(RECIPES),
    tile=st.integers(8, 90),
    depth=st.sampled_from(DEPTHS),
)
def test_any_size_in_any_tiles(
    engine: GpuUpscaler,
    size: tuple[int, int],
    ratio: tuple[float, float],
    channels: int,
    resampling: Resampling,
    tile: int,
    depth: type[np.unsignedinteger],
) -> None:
    engine._most = (tile, tile)
    out_size = (round(size[0] * ratio[0]), round(size[1] * ratio[1]))
    assert_as_reference(engine, noise(*size, channels, depth=depth), out_size, resampling)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ratio", [1, 2, 3.3])
@pytest.mark.parametrize("depth", DEPTHS)
def test_tiled_equals_whole_bit_for_bit(
    engine: GpuUpscaler, channels: int, ratio: float, depth: type[np.unsignedinteger]
) -> None:
    source = noise(150, 90, channels, depth=depth)
    out_size = (round(150 * ratio), round(90 * ratio))
    resampling = Resampling(Light.SIGMOID, 0.5)
    whole = run(engine, source, out_size, resampling)
    for most in ((64, 64), (20, 300), (500, 7)):
        engine._most = most
        assert np.array_equal(run(engine, source, out_size, resampling), whole)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("depth", DEPTHS)
def test_the_schedules_for_gpus_and_for_software_drivers_give_the_same(
    engine: GpuUpscaler, own_engine: GpuUpscaler, channels: int, depth: type[np.unsignedinteger]
) -> None:
    source, resampling = noise(150, 90, channels, depth=depth), Resampling(Light.LINEAR, 0.5)
    made = []
    for plan in (HARDWARE, SOFTWARE):
        own_engine._schedule = plan
        own_engine._pipelines.clear()
        made.append(run(own_engine, source, (495, 297), resampling))
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], run(engine, source, (495, 297), resampling))


def test_a_picture_wider_than_one_binding_of_taps(engine: GpuUpscaler) -> None:
    assert_as_reference(engine, noise(400, 6, 3), (3200, 48), Resampling())
    assert_as_reference(engine, noise(5, 600, 4), (5, 2400), Resampling())


def test_a_photograph(engine: GpuUpscaler, shared_images: Path) -> None:
    with Image.open(shared_images / "samples" / "parrots.png") as image:
        crop = np.asarray(image.convert("RGB"))[100:228, 100:260]
    for resampling in RECIPES:
        assert_as_reference(engine, crop, (crop.shape[1] * 2, crop.shape[0] * 2), resampling)


def test_what_is_hidden_under_alpha_0_bleeds_nowhere(engine: GpuUpscaler) -> None:
    """Red under full transparency beside opaque blue: no red comes out, and blue stays blue under every alpha."""
    source = np.zeros((16, 16, 4), np.uint8)
    source[:, :8] = (255, 0, 0, 0)
    source[:, 8:] = (0, 64, 255, 255)
    for resampling in RECIPES:
        made = run(engine, source, (64, 64), resampling)
        assert not made[:, :, 0].any()
        seen = made[made[:, :, 3] > 0].astype(int)
        assert np.abs(seen[:, :3] - (0, 64, 255)).max() <= 1
        assert not made[:, :8].any()
        assert_as_reference(engine, source, (64, 64), resampling)


def test_a_view_that_is_not_contiguous(engine: GpuUpscaler) -> None:
    source = noise(40, 30, 4)[::2, 5:35, :3]
    assert np.array_equal(
        run(engine, source, (60, 30), GAMMA), run(engine, np.ascontiguousarray(source), (60, 30), GAMMA)
    )


def test_one_engine_runs_job_after_job_and_keeps_its_buffers(engine: GpuUpscaler) -> None:
    first = run(engine, noise(30, 20, 3), (60, 40), GAMMA)
    workspace = engine._workspace
    again = run(engine, noise(30, 20, 3), (60, 40), GAMMA)
    assert np.array_equal(first, again)
    assert engine._workspace is workspace
    run(engine, noise(9, 5, 4), (20, 40), RECIPES[-1])
    assert np.array_equal(run(engine, noise(30, 20, 3), (60, 40), GAMMA), first)


def test_a_smaller_tile_leaves_no_trace_of_a_larger(engine: GpuUpscaler) -> None:
    engine._most = (64, 64)
    assert_as_reference(engine, noise(70, 43, 3), (70 * 3, 43 * 3), GAMMA)


def test_the_share_done_rises_to_1_and_what_on_tile_raises_passes_through(engine: GpuUpscaler) -> None:
    engine._most = (40, 40)
    shares: list[float] = []
    engine.upscale(noise(50, 50, 3), (100, 100), GAMMA, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == 9

    class Stopped(Exception):
        pass

    def stop(share: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        engine.upscale(noise(50, 50, 3), (100, 100), GAMMA, stop)
    assert_as_reference(engine, noise(50, 50, 3), (100, 100), GAMMA)


def test_it_is_an_upscaler_that_names_its_device(engine: GpuUpscaler) -> None:
    upscaler: Upscaler = engine
    assert upscaler.device.name
    assert upscaler.device.device_class.startswith(upscaler.device.backend)


def test_other_channels_are_refused(engine: GpuUpscaler) -> None:
    with pytest.raises(ValueError, match="2 channels"):
        run(engine, noise(4, 4, 2), (8, 8), GAMMA)


@SHARED
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 90)),
    out_size=st.tuples(st.integers(1, 90), st.integers(1, 60)),
    channels=st.sampled_from([1, 3, 4]),
    resampling=st.sampled_from(SEPARABLE),
    tile=st.integers(8, 90),
    depth=st.sampled_from(DEPTHS),
)
def test_reduces_as_the_reference_does_also_one_axis_alone(
    engine: GpuUpscaler,
    size: tuple[int, int],
    out_size: tuple[int, int],
    channels: int,
    resampling: Resampling,
    tile: int,
    depth: type[np.unsignedinteger],
) -> None:
    engine._most = (tile, tile)
    assert_as_reference(engine, noise(*size, channels, depth=depth), out_size, resampling)


def test_a_picture_reduced_a_hundred_times_stays_within_what_a_texture_holds(engine: GpuUpscaler) -> None:
    engine._most = (256, 256)
    assert_as_reference(engine, noise(9000, 300, 3), (90, 3), Resampling(Light.LINEAR, 0.0))


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (61, 40)])
def test_filters_are_as_in_the_reference_whole_and_in_tiles(
    engine: GpuUpscaler, wanted: Filter, channels: int, size: tuple[int, int]
) -> None:
    source = (noise(*size, channels, depth=np.uint16) // 5 + 20_000).astype(np.uint16)
    made = engine.filter(source, wanted, lambda _share: None)
    off = np.abs(made - np.rint(65535 * filters.apply(source, wanted)))
    assert made.dtype == np.uint16
    assert off.max() <= MOST_OFF_DEEP
    engine._most = (24, 16)
    assert np.array_equal(engine.filter(source, wanted, lambda _share: None), made)


def test_one_engine_goes_from_family_to_family_and_back(engine: GpuUpscaler) -> None:
    source = noise(40, 30, 3, depth=np.uint16).astype(np.uint16)
    for _ in range(2):
        for recipe in (Resampling(), Resampling(kernel=Kernel.EWA_LANCZOS)):
            assert_as_reference(engine, source, (80, 60), recipe)
        assert_as_reference(engine, source, (20, 15), Resampling(Light.LINEAR, 0.0))
        engine.filter(source, denoising(0.5), lambda _share: None)


def test_it_tells_how_it_cuts_a_picture_also_once_tiles_are_smaller(engine: GpuUpscaler) -> None:
    size, out_size = (300, 200), (700, 500)
    for most in ((2048, 2048), (256, 128)):
        engine._most = most
        tiles = engine.device.tiles
        assert isinstance(tiles, GridTiles)
        shares: list[float] = []
        engine.upscale(np.zeros((size[1], size[0], 3), np.uint8), out_size, Resampling(), shares.append)
        assert tiles.count(size, out_size, 3) == len(shares)
        assert engine.device.tile_bytes == workspace_bytes(most)
