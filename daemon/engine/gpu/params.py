"""Uniform structs: one description each, from which bytes are packed. A test compares them with the WGSL.

Members stand in the order vec4, vec2, scalar, so that they follow each other without gaps in WGSL as in C.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from daemon.engine.taps import TAPS, AxisTaps

FORMATS: Final = {"vec4<f32>": "4f", "vec4<u32>": "4I", "vec2<f32>": "2f", "vec2<u32>": "2I", "f32": "f", "u32": "I"}
ALIGNMENT: Final = 16
TAPS_PER_BINDING: Final = 2048  # 64 KiB, what every WebGPU adapter grants a uniform binding
TAPS_STRIDE: Final = 8  # numbers for one output: see Taps in shared/window.wgsl
Value = float | tuple[float, ...]


@dataclass(frozen=True)
class UniformStruct:
    """A WGSL struct in the uniform address space: its name, and its members' names and types in order."""

    name: str
    members: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        sizes = [struct.calcsize("<" + FORMATS[kind]) for _, kind in self.members]
        if sizes != sorted(sizes, reverse=True):
            raise ValueError(f"the members of {self.name} are not in the order vec4, vec2, scalar")

    @property
    def offsets(self) -> dict[str, int]:
        offsets, at = {}, 0
        for name, kind in self.members:
            offsets[name] = at
            at += struct.calcsize("<" + FORMATS[kind])
        return offsets

    @property
    def size(self) -> int:
        end = sum(struct.calcsize("<" + FORMATS[kind]) for _, kind in self.members)
        return -(-end // ALIGNMENT) * ALIGNMENT

    def pack(self, **values: Value) -> bytes:
        """The struct as the GPU reads it; every member must be given, and nothing else."""
        if values.keys() != dict(self.members).keys():
            raise ValueError(f"{self.name} has {[name for name, _ in self.members]}, not {list(values)}")
        packed = bytearray(self.size)
        for name, kind in self.members:
            value = values[name]
            struct.pack_into(
                "<" + FORMATS[kind], packed, self.offsets[name], *(value if isinstance(value, tuple) else (value,))
            )
        return bytes(packed)


ENLARGE_X: Final = UniformStruct("EnlargeXParams", (("rows", "u32"), ("outputs", "u32"), ("antiring", "f32")))
ENLARGE_Y: Final = UniformStruct("EnlargeYParams", (("columns", "u32"), ("outputs", "u32"), ("antiring", "f32")))
REDUCE_X: Final = UniformStruct(
    "ReduceXParams", (("rows", "u32"), ("outputs", "u32"), ("taps", "u32"), ("antiring", "f32"))
)
REDUCE_Y: Final = UniformStruct(
    "ReduceYParams", (("columns", "u32"), ("outputs", "u32"), ("taps", "u32"), ("antiring", "f32"))
)
LINEARIZE: Final = UniformStruct("LinearizeParams", (("columns", "u32"), ("rows", "u32")))
POLAR: Final = UniformStruct(
    "PolarParams", (("columns", "u32"), ("outputs", "u32"), ("rows", "u32"), ("scale", "f32"), ("antiring", "f32"))
)
DENOISE: Final = UniformStruct("DenoiseParams", (("columns", "u32"), ("rows", "u32"), ("force", "f32")))
SHARPEN: Final = UniformStruct(
    "SharpenParams", (("columns", "u32"), ("rows", "u32"), ("step", "u32"), ("force", "f32"))
)
STRUCTS: Final = (ENLARGE_X, ENLARGE_Y, REDUCE_X, REDUCE_Y, LINEARIZE, POLAR, DENOISE, SHARPEN)


def pack_taps(taps: AxisTaps, align: int = 1) -> NDArray[np.float32]:
    """The taps of a tile's axis as `array<Taps>`, the last repeated up to a multiple of `align` outputs.

    `first` goes as a float, exact since a tile reads fewer than 2**24 samples: bit casting it would need a second view.
    """
    count = len(taps.first)
    packed = np.zeros((-(-count // align) * align, TAPS_STRIDE), np.float32)
    if len(packed) > TAPS_PER_BINDING:
        raise ValueError(f"a tile of {count} outputs has more taps than one binding holds")
    packed[:count, :TAPS] = taps.weights[:, :TAPS]  # of a polar kernel's offsets the first is enough
    packed[:count, TAPS] = taps.first
    packed[count:] = packed[count - 1]
    return packed


def pack_long_taps(taps: AxisTaps, align: int = 1) -> NDArray[np.float32]:
    """The taps of a tile's axis for the reducing passes: `first`, then the weights; the last repeated likewise."""
    count = len(taps.first)
    packed = np.empty((-(-count // align) * align, taps.count + 1), np.float32)
    packed[:count, 0] = taps.first
    packed[:count, 1:] = taps.weights
    packed[count:] = packed[count - 1]
    return packed
