"""What is to be trusted proves itself first."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine.filters import denoising, sharpening
from daemon.engine.resampling import Kernel, Light, Resampling
from daemon.engine.selftest import Proof, prove
from daemon.engine.upscaler import Pixels
from daemon.errors import DeviceFailed
from tests.engine.stand_ins import Fault, StandIn


def off_by_three_somewhere(pixels: Pixels) -> Pixels:
    spoilt = pixels.copy()
    spoilt[40, 50, 1] = spoilt[40, 50, 1] + 3 if spoilt[40, 50, 1] < 128 else spoilt[40, 50, 1] - 3
    return spoilt


def wrong_in_alpha_alone(pixels: Pixels) -> Pixels:
    return np.dstack([pixels[:, :, :3], 255 - pixels[:, :, 3:]]) if pixels.shape[2] == 4 else pixels


PROOFS = [
    *(Proof(Resampling(kernel=kernel), deep) for kernel in Kernel for deep in (False, True)),
    Proof(Resampling(Light.LINEAR, 0.0), reduces=True),
    Proof(denoising(0.5), deep=True),
    Proof(sharpening(0.5, 4), deep=True),
]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_the_reference_itself_passes_each_proof_and_a_spoilt_picture_does_not(proof: Proof) -> None:
    prove(StandIn(), proof)
    with pytest.raises(DeviceFailed, match="levels"):
        prove(StandIn(fault=lambda pixels: pixels[::-1]), proof)


def test_proofs_of_different_code_have_different_names() -> None:
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (np.zeros_like, "black"),
        (lambda p: np.full(p.shape, np.nan), "nan levels"),
        (off_by_three_somewhere, r"[23]\.\d levels"),
        (lambda p: p[::-1], "levels"),
        (lambda p: np.roll(p, 1, axis=1), "levels"),
        (lambda p: p[:, :-1], "shape"),
        (lambda p: p[:, :, ::-1], "levels"),
        (wrong_in_alpha_alone, "levels"),
    ],
    ids=["black", "nan", "off-by-3", "upside-down", "shifted", "narrower", "bgr", "alpha"],
)
def test_a_wrong_picture_is_refused_and_says_how(fault: Fault, reason: str) -> None:
    with pytest.raises(DeviceFailed, match=reason):
        prove(StandIn(fault=fault), Proof())


def test_a_colour_that_nobody_sees_is_nobodys_fault() -> None:
    def other_colours_where_alpha_is_none(pixels: Pixels) -> Pixels:
        changed = pixels.copy()
        if pixels.shape[2] == 4:
            assert (pixels[:, :, 3] == 0).any()
            changed[pixels[:, :, 3] == 0, :3] = 77
        return changed

    prove(StandIn(fault=other_colours_where_alpha_is_none), Proof())
