"""ShaderPass and Pipeline: our ordered passes, compiled for a device, and their recording into a command encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daemon.engine.gpu.border import device_errors
from daemon.engine.gpu.source import shader_source

COMPUTE_STAGE: Final = 4  # wgpu.ShaderStage.COMPUTE; a constant of the standard, so that wgpu is not imported here


@dataclass(frozen=True)
class Binding:
    """What a pass has at one place of group 0: wgpu's layout of it, without the place."""

    kind: str  # "buffer", "texture" or "storage_texture"
    layout: tuple[tuple[str, str], ...]

    def entry(self, place: int) -> dict[str, Any]:
        return {"binding": place, "visibility": COMPUTE_STAGE, self.kind: dict(self.layout)}


UNIFORM: Final = Binding("buffer", (("type", "uniform"),))
READ_BUFFER: Final = Binding("buffer", (("type", "read-only-storage"),))
WRITE_BUFFER: Final = Binding("buffer", (("type", "storage"),))
READ_WORDS: Final = Binding("texture", (("sample_type", "uint"), ("view_dimension", "2d")))
READ_FLOATS: Final = Binding("texture", (("sample_type", "unfilterable-float"), ("view_dimension", "2d")))


def write_texture(texture_format: str) -> Binding:
    layout = (("access", "write-only"), ("format", texture_format), ("view_dimension", "2d"))
    return Binding("storage_texture", layout)


@dataclass(frozen=True)
class ShaderPass:
    """One dispatch of one WGSL file: its bindings in the fixed order, and the values of its overrides."""

    name: str  # shaders/<name>.wgsl
    bindings: tuple[Binding, ...]  # params, source, further inputs, dest
    workgroup: tuple[int, int]
    overrides: tuple[tuple[str, float], ...] = ()

    @property
    def constants(self) -> dict[str, float]:
        return {"WORKGROUP_X": self.workgroup[0], "WORKGROUP_Y": self.workgroup[1], **dict(self.overrides)}

    def workgroups(self, threads: tuple[int, int]) -> tuple[int, int]:
        """How many workgroups cover `threads` in x and y."""
        return -(-threads[0] // self.workgroup[0]), -(-threads[1] // self.workgroup[1])


@dataclass(frozen=True)
class CompiledPass:
    shader_pass: ShaderPass
    compute_pipeline: Any
    layout: Any


class Pipeline:
    """Passes compiled for a device, in the order in which they run."""

    def __init__(self, device: Any, passes: Sequence[ShaderPass], most_workgroups: int) -> None:
        self._device = device
        self._most_workgroups = most_workgroups
        self._passes = [compile_pass(device, shader_pass) for shader_pass in passes]

    def bind(self, resources: Sequence[Sequence[Any]]) -> list[Any]:
        """One bind group for each pass from its resources, in the order of its bindings."""
        return [
            self._device.create_bind_group(
                label=compiled.shader_pass.name,
                layout=compiled.layout,
                entries=[{"binding": place, "resource": resource} for place, resource in enumerate(mine)],
            )
            for compiled, mine in zip(self._passes, resources, strict=True)
        ]

    def record(self, encoder: Any, bind_groups: Sequence[Any], threads: Sequence[tuple[int, int]]) -> None:
        """Record every pass, over as many threads each, into one compute pass: wgpu puts the barriers between."""
        compute_pass = encoder.begin_compute_pass(label="tile")
        for compiled, bind_group, cover in zip(self._passes, bind_groups, threads, strict=True):
            workgroups = compiled.shader_pass.workgroups(cover)
            if max(workgroups) > self._most_workgroups:
                raise ValueError(f"{compiled.shader_pass.name} over {cover} threads is more than one dispatch can do")
            compute_pass.set_pipeline(compiled.compute_pipeline)
            compute_pass.set_bind_group(0, bind_group)
            compute_pass.dispatch_workgroups(*workgroups)
        compute_pass.end()


def compile_pass(device: Any, shader_pass: ShaderPass, source: str | None = None) -> CompiledPass:
    """Compile one pass; the layout is explicit, since an automatic one drops bindings that a variant does not use."""
    name = shader_pass.name
    with device_errors(f"compiling {name}.wgsl"):
        module = device.create_shader_module(label=name, code=source or shader_source(name))
        layout = device.create_bind_group_layout(
            label=name, entries=[binding.entry(place) for place, binding in enumerate(shader_pass.bindings)]
        )
        compute_pipeline = device.create_compute_pipeline(
            label=name,
            layout=device.create_pipeline_layout(label=name, bind_group_layouts=[layout]),
            compute={"module": module, "entry_point": "main", "constants": shader_pass.constants},
        )
    return CompiledPass(shader_pass, compute_pipeline, layout)


def whole(buffer: Any) -> Mapping[str, Any]:
    """A buffer as a resource of a bind group, all of it."""
    return {"buffer": buffer, "offset": 0, "size": buffer.size}
