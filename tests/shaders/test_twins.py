"""What is written both in WGSL and in Python is the same in both."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from daemon.engine import color, filters, polar
from daemon.engine.filters import denoising, sharpening
from daemon.engine.gpu.params import STRUCTS, TAPS_PER_BINDING, UniformStruct
from daemon.engine.gpu.passes import LIGHTS, SOFTWARE, Family, Layout, passes_of
from daemon.engine.gpu.source import shader_source
from daemon.engine.resampling import Kernel, Resampling
from daemon.engine.steps import Step

# Alignment and size of the types that stand in uniform structs: WGSL, "Alignment and Size".
LAYOUT = {"f32": (4, 4), "u32": (4, 4), "vec2<f32>": (8, 8), "vec2<u32>": (8, 8)}
LAYOUT |= {"vec4<f32>": (16, 16), "vec4<u32>": (16, 16)}
PASSES = sorted(entry.name.removesuffix(".wgsl") for entry in files("shaders").iterdir() if ".wgsl" in entry.name)


def structs_of(name: str) -> dict[str, list[tuple[str, str]]]:
    """Every `*Params` struct of a pass: its members' names and types."""
    code = re.sub(r"//.*", "", shader_source(name))
    found = re.findall(r"struct (\w+Params) \{(.*?)\}", code, re.DOTALL)
    return {struct: re.findall(r"(\w+): ([\w<>]+)", body) for struct, body in found}


def wgsl_layout(members: list[tuple[str, str]]) -> tuple[dict[str, int], int]:
    offsets, end, widest = {}, 0, 16
    for name, kind in members:
        align, size = LAYOUT[kind]
        offsets[name] = -(-end // align) * align
        end = offsets[name] + size
    return offsets, -(-end // widest) * widest


def test_every_params_struct_is_described_and_every_description_is_a_struct() -> None:
    written = {struct for name in PASSES for struct in structs_of(name)}
    assert written == {described.name for described in STRUCTS}


@pytest.mark.parametrize("described", STRUCTS, ids=lambda described: described.name)
def test_names_types_offsets_and_size_of_params_are_those_of_the_wgsl(described: UniformStruct) -> None:
    (members,) = [structs_of(name)[described.name] for name in PASSES if described.name in structs_of(name)]
    assert members == list(described.members)
    assert wgsl_layout(members) == (described.offsets, described.size)


@pytest.mark.parametrize("name", PASSES)
def test_taps_that_are_uniform_fill_the_binding(name: str) -> None:
    for count in re.findall(r"<uniform> \w*taps: array<Taps, (\d+)>", shader_source(name)):
        assert int(count) == TAPS_PER_BINDING


def constants_of(name: str) -> dict[str, str]:
    return dict(re.findall(r"const (\w+) = (.+?)u?;", shader_source(name)))


def test_constants_of_polar_kernels_are_those_of_the_reference() -> None:
    found = constants_of("polar")
    numbers = {name: float(found[name]) for name in ("SIDE", "CENTRE", "ACROSS", "ALONG", "FLAT")}
    assert numbers == {name: getattr(polar, name) for name in numbers}
    powers = [float(found[f"P{power}"]) for power in range(polar.DEGREE + 1)]
    assert powers == pytest.approx(list(polar.polynomial()), rel=0, abs=1e-9)
    vectors = {name: tuple(map(float, re.findall(r"\d\.\d+", found[name]))) for name in ("BRIGHTNESS", "BINOMIAL")}
    assert vectors == {"BRIGHTNESS": polar.BRIGHTNESS, "BINOMIAL": (*polar.BINOMIAL, 0.0)}


def test_constants_of_denoising_are_those_of_the_reference() -> None:
    found = constants_of("denoise")
    assert {name: int(found[name]) for name in ("SEARCH", "PATCH")} == {
        "SEARCH": filters.SEARCH,
        "PATCH": filters.PATCH,
    }


def test_constants_of_light_are_those_of_the_reference() -> None:
    constants = dict(re.findall(r"const (\w+) = ([\d.]+)u?;", shader_source("enlarge_x")))
    compared = {name for name in constants if hasattr(color, name)}
    assert compared >= {"SRGB_GAMMA", "SIGMOID_SCALE", "SIGMOID_OFFSET", "SIGMOID_CENTER", "LINEAR_KNEE"}
    for name in compared:
        assert float(constants[name]) == pytest.approx(getattr(color, name), rel=1e-12)
    assert {light: int(constants[f"LIGHT_{light.name}"]) for light in LIGHTS} == LIGHTS


STEPS: list[tuple[Family, Step]] = [
    (Family.ENLARGE, Resampling()),
    (Family.REDUCE, Resampling()),
    (Family.POLAR, Resampling(kernel=Kernel.EDGE_ADAPTIVE)),
    (Family.FILTER, denoising(0.5)),
    (Family.FILTER, sharpening(0.5, 2)),
]


def test_every_override_is_given_and_every_one_given_is_there_and_every_pass_is_used() -> None:
    used = [shader_pass for family, step in STEPS for shader_pass in passes_of(family, step, Layout(3), SOFTWARE)]
    for shader_pass in used:
        declared = set(re.findall(r"override (\w+):", shader_source(shader_pass.name)))
        assert declared == set(shader_pass.constants)
    assert sorted(shader_pass.name for shader_pass in used) == PASSES


@pytest.mark.parametrize("name", PASSES)
def test_bindings_are_params_then_source_and_dest_last(name: str) -> None:
    bindings = re.findall(r"@binding\((\d)\) var(?:<.*?>)? (\w+):", shader_source(name))
    assert [int(place) for place, _ in bindings] == list(range(len(bindings)))
    names = [name for _, name in bindings]
    assert (names[0], names[1], names[-1]) == ("params", "source", "dest")
