"""The CPU engine computes what the reference computes, whatever the light, channels, ratio and cutting into bands."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.engine.cpu.upscaler import CpuUpscaler
from daemon.engine.filters import Filter, denoising, sharpening
from daemon.engine.reference import filters
from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.upscaler import DeviceKind, Pixels

DEPTHS = [np.uint8, np.uint16]
RECIPES = [
    *(Resampling(light, antiring) for light in Light for antiring in (0.0, 0.5, 1.0)),
    *(Resampling(Light.SIGMOID, antiring, kernel) for kernel in list(Kernel)[1:] for antiring in (0.0, 0.7)),
]
SEPARABLE = [recipe for recipe in RECIPES if not recipe.kernel.is_polar]
FILTERS = [denoising(0.2), denoising(1.0), sharpening(0.4, 2), sharpening(1.0, 8)]
FAITHFUL = Resampling()


def quietly(_share: float) -> None:
    """Progress nobody looks at."""


def noise(height: int, width: int, channels: int, seed: int = 0, depth: type[np.unsignedinteger] = np.uint8) -> Pixels:
    """Edges as hard as they come, with whole regions of no alpha and of all."""
    white = np.iinfo(depth).max
    picture = np.random.default_rng(seed).integers(0, white, (height, width, channels), dtype=depth, endpoint=True)
    if channels == 4:
        picture[: height // 2, : width // 2, 3] = 0
        picture[height // 2 :, width // 2 :, 3] = white
    return picture


def assert_as_reference(result: Pixels, source: Pixels, resampling: Resampling) -> None:
    """At most one level off, of 255 or of 65535, but for colours under alpha of next to nothing, which nobody sees and
    rounding errors decide.
    """
    height, width = result.shape[:2]
    assert result.dtype == source.dtype
    white = np.iinfo(source.dtype).max
    exact = np.rint(reference.upscale(source, width, height, resampling) * white).astype(np.int64)
    off, unseen = np.abs(result - exact), white // 255 - 1
    if result.shape[2] == 4:
        off[..., :3][(result[..., 3] <= unseen) | (exact[..., 3] <= unseen)] = 0
    assert off.max() <= 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resampling", RECIPES, ids=lambda recipe: f"{recipe.kernel}-{recipe.light}-{recipe.antiring}")
@pytest.mark.parametrize("depth", DEPTHS)
def test_is_within_one_level_of_the_reference(
    engine: CpuUpscaler, resampling: Resampling, channels: int, depth: type[np.unsignedinteger]
) -> None:
    source = noise(37, 53, channels, depth=depth)
    assert_as_reference(engine.upscale(source, (113, 91), resampling, quietly), source, resampling)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ratio", [1, 1.5, 2, 3.3, 4, 8])
def test_holds_at_every_ratio_and_across_the_seams_of_tiles(engine: CpuUpscaler, ratio: float, channels: int) -> None:
    source = noise(41, 301, channels)
    size = (round(301 * ratio), round(41 * ratio))
    assert_as_reference(engine.upscale(source, size, FAITHFUL, quietly), source, FAITHFUL)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 9), (9, 1), (2, 2), (3, 5)])
def test_takes_pictures_smaller_than_the_filter(engine: CpuUpscaler, shape: tuple[int, int], channels: int) -> None:
    source = noise(*shape, channels)
    size = (shape[1] * 3, shape[0] * 5)
    assert_as_reference(engine.upscale(source, size, FAITHFUL, quietly), source, FAITHFUL)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    more=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    channels=st.sampled_from([1, 3, 4]),
    resampling=st.sampled_from(RECIPES),
    seed=st.integers(0, 1000),
    depth=st.sampled_from(DEPTHS),
)
def test_is_within_one_level_for_any_sizes(
    engine: CpuUpscaler,
    size: tuple[int, int],
    more: tuple[int, int],
    channels: int,
    resampling: Resampling,
    seed: int,
    depth: type[np.unsignedinteger],
) -> None:
    source = noise(size[1], size[0], channels, seed, depth)
    out_size = (size[0] + more[0], size[1] + more[1])
    assert_as_reference(engine.upscale(source, out_size, resampling, quietly), source, resampling)


@pytest.mark.parametrize("resampling", RECIPES, ids=lambda recipe: f"{recipe.kernel}-{recipe.light}-{recipe.antiring}")
def test_keeps_every_flat_colour(engine: CpuUpscaler, resampling: Resampling) -> None:
    for level in range(256):
        flat = np.full((5, 7, 3), level, np.uint8)
        assert np.all(engine.upscale(flat, (20, 13), resampling, quietly) == level)


@pytest.mark.parametrize("resampling", RECIPES, ids=lambda recipe: f"{recipe.kernel}-{recipe.light}-{recipe.antiring}")
def test_keeps_every_flat_colour_of_16_bits(engine: CpuUpscaler, resampling: Resampling) -> None:
    """All at once: squares so large that none of another reaches their middle."""
    levels = np.arange(0, 65536, 13, dtype=np.uint16)
    squares = np.repeat(np.repeat(levels[None, :, None], 7, axis=0), 7, axis=1)
    enlarged = engine.upscale(squares, (14 * len(levels), 14), resampling, quietly)
    assert np.array_equal(enlarged[7, 7::14, 0], levels)


@pytest.mark.parametrize("light", list(Light))
def test_keeps_a_flat_colour_under_any_alpha(engine: CpuUpscaler, light: Light) -> None:
    """Also where alpha overshoots: the colour is divided by the alpha it was filtered with, not by the bounded one."""
    source = np.full((16, 16, 4), (200, 100, 3, 0), np.uint8)
    source[:, :, 3] = np.random.default_rng(0).choice([0, 60, 255], (16, 16))
    result = engine.upscale(source, (48, 48), Resampling(light, 0.0), quietly)
    seen = result[result[..., 3] > 0]
    assert np.all(seen[:, :3] == (200, 100, 3))


def test_shows_nothing_of_what_alpha_hides(engine: CpuUpscaler) -> None:
    hidden = noise(20, 20, 4)
    hidden[:, :, 3] = 0
    hidden[:, 10:] = (10, 20, 30, 255)
    clean = hidden.copy()
    clean[:, :10, :3] = 0
    first, second = (engine.upscale(source, (60, 60), FAITHFUL, quietly) for source in (hidden, clean))
    assert np.array_equal(first, second)
    assert np.all(first[:, :20] == 0)


@pytest.mark.parametrize("light", list(Light))
@pytest.mark.parametrize("channels", [1, 3])
def test_gives_the_same_bytes_at_ratio_one(engine: CpuUpscaler, light: Light, channels: int) -> None:
    source = noise(30, 40, channels)
    assert np.array_equal(engine.upscale(source, (40, 30), Resampling(light, 0.5), quietly), source)


def test_gives_the_same_visible_pixels_at_ratio_one_with_alpha(engine: CpuUpscaler) -> None:
    source = noise(64, 64, 4)
    result = engine.upscale(source, (64, 64), FAITHFUL, quietly)
    assert np.array_equal(result[..., 3], source[..., 3])
    assert np.array_equal(result[source[..., 3] > 0], source[source[..., 3] > 0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_is_the_same_for_any_number_of_threads_and_any_bands(engine: CpuUpscaler, channels: int) -> None:
    source = noise(61, 133, channels)
    whole = engine.upscale(source, (301, 187), FAITHFUL, quietly)
    for threads, band_rows in ((1, None), (1, 187), (3, 1), (2, 7), (5, 64)):
        other = CpuUpscaler(threads=threads, band_rows=band_rows)
        assert np.array_equal(other.upscale(source, (301, 187), FAITHFUL, quietly), whole)
        other.close()


def test_reads_sources_that_are_read_only_or_not_contiguous(engine: CpuUpscaler) -> None:
    source = noise(20, 30, 3)
    expected = engine.upscale(source, (60, 40), FAITHFUL, quietly)
    fixed = source.copy()
    fixed.setflags(write=False)
    view = np.repeat(source, 2, axis=1)[:, ::2]
    for other in (fixed, view):
        assert np.array_equal(engine.upscale(other, (60, 40), FAITHFUL, quietly), expected)


def test_result_is_contiguous_and_its_own(engine: CpuUpscaler) -> None:
    source = noise(8, 8, 3)
    result = engine.upscale(source, (8, 8), FAITHFUL, quietly)
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, source)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (4, 4, 5)])
def test_refuses_arrays_that_are_no_picture(engine: CpuUpscaler, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        engine.upscale(np.zeros(shape, np.uint8), (8, 8), FAITHFUL, quietly)


def test_refuses_to_reduce_by_a_polar_kernel(engine: CpuUpscaler) -> None:
    with pytest.raises(ValueError, match="cannot reduce"):
        engine.upscale(noise(8, 8, 3), (16, 7), Resampling(kernel=Kernel.EWA_LANCZOS), quietly)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 90)),
    out_size=st.tuples(st.integers(1, 200), st.integers(1, 60)),
    channels=st.sampled_from([1, 3, 4]),
    resampling=st.sampled_from(SEPARABLE),
    depth=st.sampled_from(DEPTHS),
)
def test_reduces_as_the_reference_does_also_one_axis_alone(
    engine: CpuUpscaler,
    size: tuple[int, int],
    out_size: tuple[int, int],
    channels: int,
    resampling: Resampling,
    depth: type[np.unsignedinteger],
) -> None:
    source = noise(size[1], size[0], channels, depth=depth)
    assert_as_reference(engine.upscale(source, out_size, resampling, quietly), source, resampling)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resampling", [Resampling(Light.LINEAR, 0.0), Resampling(kernel=Kernel.EDGE_ADAPTIVE)])
def test_every_kernel_is_the_same_for_any_number_of_threads_and_any_bands(
    engine: CpuUpscaler, channels: int, resampling: Resampling
) -> None:
    source = noise(61, 133, channels)
    out_size = (301, 187) if resampling.kernel.is_polar else (49, 23)
    whole = engine.upscale(source, out_size, resampling, quietly)
    for threads, band_rows in ((1, 1), (3, 7)):
        other = CpuUpscaler(threads=threads, band_rows=band_rows)
        assert np.array_equal(other.upscale(source, out_size, resampling, quietly), whole)
        other.close()


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (61, 301)])
def test_filters_are_within_one_level_of_the_reference_for_any_bands(
    engine: CpuUpscaler, wanted: Filter, channels: int, shape: tuple[int, int]
) -> None:
    source = (noise(*shape, channels, depth=np.uint16) // 5 + 20_000).astype(np.uint16)
    made = engine.filter(source, wanted, quietly)
    exact = np.rint(65535 * filters.apply(source, wanted)).astype(np.int64)
    off = np.abs(made - exact)
    assert made.dtype == np.uint16
    assert off.max() <= 1
    for threads, band_rows in ((1, 1), (3, 7)):
        other = CpuUpscaler(threads=threads, band_rows=band_rows)
        assert np.array_equal(other.filter(source, wanted, quietly), made)
        other.close()


def test_says_what_it_runs_on(engine: CpuUpscaler) -> None:
    assert engine.device.kind is DeviceKind.CPU
    assert engine.device.backend == "compiled"
    assert engine.device.name.startswith("CPU, 2 cores (")


def progress_of(run: Callable[[Callable[[float], None]], object]) -> list[float]:
    shares: list[float] = []
    run(shares.append)
    return shares


@pytest.mark.parametrize("band_rows", [1, 10, 1000, None])
def test_progress_rises_and_ends_at_one(band_rows: int | None) -> None:
    engine = CpuUpscaler(threads=2, band_rows=band_rows)
    shares = progress_of(lambda on_tile: engine.upscale(noise(33, 20, 3), (40, 99), FAITHFUL, on_tile))
    assert all(early < late for early, late in pairwise(shares))
    assert shares[-1] == 1.0
    engine.close()
