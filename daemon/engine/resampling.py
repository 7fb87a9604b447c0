"""What every engine is asked to compute: the kernel, the light that it works in, and what is done before and after."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from daemon.executor.messages import Work

Size = tuple[int, int]  # width and height in pixels
# Mixed in by half, a sum held between its neighbours keeps its crispness and loses its halo (research: libplacebo's
# separable filters at their recommended strength). Drawings, which steered edges are for, show a halo most.
ANTIRING: Final = 0.5
ANTIRING_STEERED: Final = 0.8


class Light(StrEnum):
    """The space in which samples are weighed."""

    GAMMA = "gamma"  # the encoded values as they are; what most tools do
    LINEAR = "linear"
    SIGMOID = "sigmoid"  # linear light behind a sigmoid: overshoot shrinks towards black and white


class Kernel(StrEnum):
    """The weight of a source sample by its distance: of rows and columns by turns, or (polar) of the plane at once."""

    LANCZOS = "lanczos"
    CATMULL_ROM = "catmull-rom"
    MITCHELL = "mitchell"
    EWA_LANCZOS = "ewa-lanczos"  # polar
    EDGE_ADAPTIVE = "edge-adaptive"  # polar, its circle drawn out along edges

    @property
    def is_polar(self) -> bool:
        return self in {Kernel.EWA_LANCZOS, Kernel.EDGE_ADAPTIVE}


@dataclass(frozen=True)
class Resampling:
    """How to resize: the light to filter in, how strongly a result is held between its central samples, the kernel."""

    light: Light = Light.SIGMOID
    antiring: float = ANTIRING  # 0 leaves the filter alone, 1 forbids any overshoot; of enlarging only
    kernel: Kernel = Kernel.LANCZOS

    def __post_init__(self) -> None:
        if not 0.0 <= self.antiring <= 1.0:
            raise ValueError(f"antiring is {self.antiring}, not between 0 and 1")


def resampling_for(work: Work, size: Size) -> Resampling:
    """The recipe of a job for a picture of `size`.

    Sigmoidised light when enlarging and linear light when reducing, as libplacebo does: a sigmoid has a halo to shrink,
    of which a reduction makes none, and averages of anything but linear light are too dark. The polar kernels are for
    enlarging: what they are asked to reduce, Lanczos-3 reduces.
    """
    kernel = Kernel(work.model)
    if work.width < size[0] or work.height < size[1]:
        return Resampling(Light.LINEAR, 0.0, Kernel.LANCZOS if kernel.is_polar else kernel)
    antiring = ANTIRING_STEERED if kernel is Kernel.EDGE_ADAPTIVE else ANTIRING
    return Resampling(Light.SIGMOID, antiring, kernel)
