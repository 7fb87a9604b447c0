"""The reference, against an implementation that shares nothing with it: one pixel, one channel, one tap at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from daemon.engine.reference import whole as reference
from daemon.engine.resampling import Light, Resampling

Picture = list[list[list[float]]]


def to_light(value: float, light: Light) -> float:
    if light is Light.GAMMA:
        return value
    linear = value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
    if light is Light.LINEAR:
        return linear
    low, high = 1 / (1 + math.exp(6.5 * 0.75)), 1 / (1 + math.exp(6.5 * -0.25))
    return 0.75 - math.log(1 / (linear * (high - low) + low) - 1) / 6.5


def from_light(value: float, light: Light) -> float:
    value = min(max(value, 0.0), 1.0)
    if light is Light.GAMMA:
        return value
    low, high = 1 / (1 + math.exp(6.5 * 0.75)), 1 / (1 + math.exp(6.5 * -0.25))
    linear = value if light is Light.LINEAR else (1 / (1 + math.exp(6.5 * (0.75 - value))) - low) / (high - low)
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def kernel(x: float) -> float:
    if x == 0:
        return 1.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2 if abs(x) < 3 else 0.0


def reduce_line(line: list[float], n_out: int) -> list[float]:
    """Each output the weighted mean of all samples, the edge repeated far enough to both sides."""
    stretch, made = len(line) / n_out, []
    for i in range(n_out):
        centre = (i + 0.5) * stretch - 0.5
        taps = range(math.floor(centre - 3 * stretch), math.ceil(centre + 3 * stretch) + 1)
        weights = [kernel((tap - centre) / stretch) for tap in taps]
        values = [line[min(max(tap, 0), len(line) - 1)] for tap in taps]
        made.append(sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights))
    return made


def sample(line: list[float], centre: float, antiring: float) -> float:
    """One sample of `line` at `centre`, in source samples, pixel centres at whole numbers."""
    left = math.floor(centre)
    weights = [kernel(centre - tap) for tap in range(left - 2, left + 4)]
    values = [line[min(max(tap, 0), len(line) - 1)] for tap in range(left - 2, left + 4)]
    total = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
    held = min(max(total, min(values[2], values[3])), max(values[2], values[3]))
    return total * (1 - antiring) + held * antiring


def resize_line(line: list[float], n_out: int, antiring: float) -> list[float]:
    if n_out < len(line):
        return reduce_line(line, n_out)
    return [sample(line, (i + 0.5) * len(line) / n_out - 0.5, antiring) for i in range(n_out)]


def plainly(source: NDArray[np.uint8], width: int, height: int, resampling: Resampling) -> NDArray[np.float64]:
    """The whole recipe, channel by channel, from its description in words."""
    light, antiring, channels = resampling.light, resampling.antiring, source.shape[2]
    planes: list[list[list[float]]] = []
    for channel in range(channels):
        plane = []
        for row in source.tolist():
            alphas = [pixel[3] / 255 if channels == 4 else 1.0 for pixel in row]
            values = [1.0 if channel == 3 else to_light(pixel[channel] / 255, light) for pixel in row]
            line = [value * alpha for value, alpha in zip(values, alphas, strict=True)]
            plane.append(resize_line(line, width, antiring))
        columns = [resize_line([row[x] for row in plane], height, antiring) for x in range(width)]
        planes.append([[columns[x][y] for x in range(width)] for y in range(height)])
    out = np.zeros((height, width, channels))
    for y in range(height):
        for x in range(width):
            alpha = planes[3][y][x] if channels == 4 else 1.0
            for channel in range(min(channels, 3)):
                out[y, x, channel] = from_light(planes[channel][y][x] / alpha, light) if alpha > 0 else 0.0
            if channels == 4:
                out[y, x, 3] = min(max(alpha, 0.0), 1.0)
    return out


@pytest.mark.parametrize(
    "size", [(5, 4, 11, 13), (1, 1, 3, 3), (7, 2, 7, 16), (3, 6, 24, 7), (9, 14, 4, 3), (12, 5, 5, 9), (6, 6, 1, 1)]
)
@pytest.mark.parametrize("antiring", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("light", list(Light))
def test_is_what_a_plain_implementation_computes(
    light: Light, antiring: float, size: tuple[int, int, int, int]
) -> None:
    source = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    resampling = Resampling(light, antiring)
    exact = reference.upscale(source, size[2], size[3], resampling)
    assert np.allclose(exact, plainly(source, size[2], size[3], resampling), rtol=0, atol=1e-6)


@pytest.mark.parametrize("light", list(Light))
def test_is_what_a_plain_implementation_computes_with_alpha(light: Light) -> None:
    source = np.random.default_rng(4).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    source[:3, :2, 3] = 0
    source[:2, 3:, 3] = 255
    resampling = Resampling(light, 0.5)
    exact, plain = reference.upscale(source, 12, 15, resampling), plainly(source, 12, 15, resampling)
    assert np.allclose(exact[..., 3], plain[..., 3], rtol=0, atol=1e-9)
    seen = exact[..., 3] > 1 / 510
    assert np.allclose(exact[seen], plain[seen], rtol=0, atol=1e-6)


def test_is_close_to_pillow_in_gamma_light() -> None:
    """Pillow rounds and bounds to bytes between its two passes, so single samples are off by many levels."""
    small = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    source = np.asarray(Image.fromarray(small).resize((96, 72), Image.Resampling.BICUBIC))
    pillow = np.asarray(Image.fromarray(source).resize((192, 144), Image.Resampling.LANCZOS)).astype(np.float64)
    exact = reference.upscale(source, 192, 144, Resampling(Light.GAMMA, 0.0)) * 255
    assert np.abs(exact - pillow).mean() < 0.5


def test_full_antiring_never_leaves_the_range_of_the_source() -> None:
    source = np.random.default_rng(6).integers(60, 180, (12, 12, 1), dtype=np.uint8)
    exact = reference.upscale(source, 50, 50, Resampling(Light.GAMMA, 1.0)) * 255
    assert exact.min() >= source.min() - 1e-9
    assert exact.max() <= source.max() + 1e-9


def test_what_alpha_hides_bleeds_nowhere() -> None:
    source = np.random.default_rng(7).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    source[:, :4, 3] = 0
    other = source.copy()
    other[:, :4, :3] = 255 - other[:, :4, :3]
    first, second = (reference.upscale(picture, 24, 24, Resampling()) for picture in (source, other))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("light", list(Light))
def test_a_flat_colour_stays_flat_under_any_alpha(light: Light) -> None:
    source = np.full((10, 10, 4), (200, 100, 3, 0), np.uint8)
    source[:, 5:, 3] = 255
    exact = reference.upscale(source, 40, 40, Resampling(light, 0.0)) * 255
    seen = exact[..., 3] > 0.5
    assert np.allclose(exact[seen][:, :3], (200, 100, 3), rtol=0, atol=1e-3)
