"""The reference of the polar kernels, against an implementation that shares nothing with it: one pixel, one sample at a
time.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.engine.reference import polar, separable, whole
from daemon.engine.resampling import Kernel, Light, Resampling

THIRD_ZERO, FIRST_ZERO = 3.2383154841662362, 1.2196698912665045


def jinc(x: float) -> float:
    """2 J1(pi x) / (pi x) by its power series."""
    half = math.pi * x / 2
    return math.fsum((-1) ** k * half ** (2 * k) / (math.factorial(k) * math.factorial(k + 1)) for k in range(40))


def weight(distance: float, kernel: Kernel) -> float:
    blur = 0.9812505837223707 if kernel is Kernel.EWA_LANCZOS else 0.9
    radius = THIRD_ZERO * blur
    return jinc(distance / blur) * jinc(distance * FIRST_ZERO / radius) if distance < radius else 0.0


def form_at(bright: NDArray[np.float64], x: float, y: float) -> tuple[float, float, float]:
    """By the rotation that turns the ellipse's axes to the edge, rather than by half angles."""

    def at(row: int, column: int) -> float:
        return float(bright[min(max(row, 0), bright.shape[0] - 1), min(max(column, 0), bright.shape[1] - 1)])

    def blurred(row: int, column: int) -> NDArray[np.float64]:
        total = np.zeros((2, 2))
        for i, down in enumerate((0.25, 0.5, 0.25)):
            for j, right in enumerate((0.25, 0.5, 0.25)):
                r, c = row + i - 1, column + j - 1
                slope = np.array([(at(r, c + 1) - at(r, c - 1)) / 2, (at(r + 1, c) - at(r - 1, c)) / 2])
                total += down * right * np.outer(slope, slope)
        return total

    left, top = math.floor(x), math.floor(y)
    right, down = x - left, y - top
    tensor = (1 - down) * ((1 - right) * blurred(top, left) + right * blurred(top, left + 1))
    tensor += down * ((1 - right) * blurred(top + 1, left) + right * blurred(top + 1, left + 1))
    values, vectors = np.linalg.eigh(tensor)
    coherence = ((values[1] - values[0]) / (values[1] + values[0] + 1e-4)) ** 2
    form = vectors @ np.diag([1 - 0.4 * coherence, 1 + 0.1 * coherence]) @ vectors.T
    return form[0, 0], form[0, 1], form[1, 1]


def pixel(working: NDArray[np.float64], x: float, y: float, resampling: Resampling) -> NDArray[np.float64]:
    height, width = working.shape[:2]
    bright = (
        working @ np.array([0.25, 0.5, 0.25, 1.0])[: working.shape[2]] if working.shape[2] > 1 else working[:, :, 0]
    )
    is_steered = resampling.kernel is Kernel.EDGE_ADAPTIVE
    xx, xy, yy = form_at(bright, x, y) if is_steered else (1.0, 0.0, 1.0)

    def at(row: int, column: int) -> NDArray[np.float64]:
        return np.asarray(working[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])

    left, top = math.floor(x), math.floor(y)
    total, weights = np.zeros(working.shape[2]), 0.0
    for row in range(top - 6, top + 8):
        for column in range(left - 6, left + 8):
            right, down = column - x, row - y
            squared = xx * right**2 + 2 * xy * right * down + yy * down**2
            share = weight(math.sqrt(max(squared, 0.0)), resampling.kernel)
            total, weights = total + share * at(row, column), weights + share
    total /= weights
    nearest = [at(top + i, left + j) for i in (0, 1) for j in (0, 1)]
    held = np.clip(total, np.min(nearest, axis=0), np.max(nearest, axis=0))
    return np.asarray((1 - resampling.antiring) * total + resampling.antiring * held)


@pytest.mark.parametrize("kernel", [Kernel.EWA_LANCZOS, Kernel.EDGE_ADAPTIVE])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("antiring", [0.0, 0.7])
def test_is_what_a_plain_implementation_computes(kernel: Kernel, channels: int, antiring: float) -> None:
    source = np.random.default_rng(8).integers(0, 256, (7, 6, channels), dtype=np.uint8)
    resampling = Resampling(Light.LINEAR, antiring, kernel)
    made = whole.upscale(source, 14, 11, resampling)
    working = separable.to_working(source, Light.LINEAR)
    plain = np.array(
        [
            [pixel(working, (x + 0.5) * 6 / 14 - 0.5, (y + 0.5) * 7 / 11 - 0.5, resampling) for x in range(14)]
            for y in range(11)
        ]
    )
    assert np.allclose(made, separable.from_working(plain, Light.LINEAR), rtol=0, atol=1e-6)


def test_an_edge_at_any_angle_is_steered_along_itself() -> None:
    """Where there is one straight edge, distance along it counts for less than across it, whatever its angle."""
    for angle in np.linspace(0, np.pi, 13):
        normal = np.array([math.cos(angle), math.sin(angle)])
        y, x = np.mgrid[-16:16, -16:16]
        edge = 1 / (1 + np.exp(-2 * (normal[0] * x + normal[1] * y)))[:, :, None]
        xx, xy, yy = (form[32, 32] for form in polar.steer(window(edge)))
        form = np.array([[xx, xy], [xy, yy]])
        along = np.array([-normal[1], normal[0]])
        assert normal @ form @ normal == pytest.approx(1.1, abs=0.02)
        assert along @ form @ along == pytest.approx(0.6, abs=0.02)


def window(samples: NDArray[np.float64]) -> polar.Window:
    from daemon.engine.taps import axis_taps

    height, width = samples.shape[:2]
    x, y = (axis_taps(Kernel.EDGE_ADAPTIVE, length, 2 * length) for length in (width, height))
    return polar.Window(samples, x, y)


def test_flat_and_noisy_places_are_not_steered() -> None:
    flat = np.full((12, 12, 3), 0.5)
    noise = flat + np.random.default_rng(1).normal(0, 0.002, flat.shape)
    for samples in (flat, noise):
        xx, xy, yy = polar.steer(window(samples))
        assert np.allclose(xx, 1, atol=0.05)
        assert np.allclose(xy, 0, atol=0.05)
        assert np.allclose(yy, 1, atol=0.05)
