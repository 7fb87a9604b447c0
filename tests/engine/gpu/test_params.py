"""Uniform structs and taps are packed as WGSL lays them out."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from daemon.engine.gpu.params import ENLARGE_X, TAPS_PER_BINDING, UniformStruct, pack_taps
from daemon.engine.resampling import Kernel
from daemon.engine.taps import axis_taps

MIXED = UniformStruct("MixedParams", (("box", "vec4<f32>"), ("origin", "vec2<u32>"), ("strength", "f32")))


def test_members_follow_each_other_and_the_size_is_a_multiple_of_16() -> None:
    assert MIXED.offsets == {"box": 0, "origin": 16, "strength": 24}
    assert MIXED.size == 32
    packed = MIXED.pack(box=(1.0, 2.0, 3.0, 4.0), origin=(5, 6), strength=0.5)
    assert packed == struct.pack("<4f2If4x", 1, 2, 3, 4, 5, 6, 0.5)


def test_members_in_another_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        UniformStruct("WrongParams", (("strength", "f32"), ("box", "vec4<f32>")))


def test_a_member_left_out_or_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="EnlargeXParams has"):
        ENLARGE_X.pack(rows=1, outputs=2)
    with pytest.raises(ValueError, match="EnlargeXParams has"):
        ENLARGE_X.pack(rows=1, outputs=2, antiring=0.0, columns=3)


def test_taps_are_weights_then_first_and_the_last_is_repeated() -> None:
    taps = axis_taps(Kernel.LANCZOS, 3, 7)
    packed = pack_taps(taps, align=4)
    assert packed.shape == (8, 8)
    assert np.array_equal(packed[:7, :6], taps.weights.astype(np.float32))
    assert np.array_equal(packed[:7, 6], taps.first)
    assert np.array_equal(packed[7], packed[6])


def test_more_taps_than_a_binding_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="more taps"):
        pack_taps(axis_taps(Kernel.LANCZOS, TAPS_PER_BINDING, TAPS_PER_BINDING + 1))
