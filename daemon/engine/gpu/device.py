"""The adapters of this machine, ranked, and how one is opened. wgpu is imported when a function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daemon.engine.gpu.border import device_errors
from daemon.engine.upscaler import Device, DeviceKind
from daemon.errors import DeviceFailed

KINDS: Final = {
    "DiscreteGPU": DeviceKind.DISCRETE,
    "IntegratedGPU": DeviceKind.INTEGRATED,
    "CPU": DeviceKind.SOFTWARE,
}  # whatever else an adapter calls itself is a virtual one
BACKENDS: Final = {"Vulkan": "vulkan", "Metal": "metal", "D3D12": "d3d12", "OpenGL": "gl", "OpenGLES": "gl"}
RANK: Final = (DeviceKind.DISCRETE, DeviceKind.INTEGRATED, DeviceKind.VIRTUAL, DeviceKind.SOFTWARE)
GL: Final = "gl"

# What our passes cannot do without; every adapter that conforms to WebGPU grants it.
REQUIRED: Final = {
    "max-uniform-buffer-binding-size": 64 << 10,
    "max-texture-dimension-2d": 4096,
    "max-storage-buffer-binding-size": 16 << 20,
    "max-compute-invocations-per-workgroup": 64,
    "max-compute-workgroup-size-x": 64,
}


@dataclass(frozen=True)
class Adapter:
    """What could be opened: the device as people know it, wgpu's limits, and wgpu's own object."""

    device: Device
    limits: Mapping[str, int]
    handle: Any


def list_adapters() -> list[Adapter]:
    """The adapters that can run our passes, the most promising first.

    Raises:
        DeviceFailed: where wgpu cannot be loaded or asked, or none of its adapters makes sense.
    """
    with device_errors("listing the graphics adapters"):
        import wgpu

        handles = list(wgpu.gpu.enumerate_adapters_sync())
    found, odd = [], []
    for handle in handles:
        try:
            with device_errors("describing a graphics adapter"):
                found.append(describe(handle))
        except DeviceFailed as error:
            odd.append(error)  # one that makes no sense must not hide the others
    if odd and not found:
        raise odd[0]
    return rank(found)


def describe(handle: Any) -> Adapter:
    """Wgpu's facts about an adapter in our words."""
    info, limits = handle.info, dict(handle.limits)
    device = Device(
        name=(info["device"] or info["description"] or info["vendor"] or "unnamed").strip(),
        kind=KINDS.get(info["adapter_type"], DeviceKind.VIRTUAL),
        backend=BACKENDS.get(info["backend_type"], info["backend_type"].lower()),
        memory_bytes=limits["max-buffer-size"],
    )
    return Adapter(device, limits, handle)


def rank(adapters: Sequence[Adapter]) -> list[Adapter]:
    """Those that suffice, without GL's second view of the same GPU: by kind, native before GL, by memory."""
    able = [adapter for adapter in adapters if all(adapter.limits[key] >= least for key, least in REQUIRED.items())]
    native = [adapter for adapter in able if adapter.device.backend != GL]
    kept = [a for a in able if a.device.backend != GL or not any(same_gpu(a, other) for other in native)]
    return sorted(kept, key=_place)


def _place(adapter: Adapter) -> tuple[int, bool, int]:
    device = adapter.device
    return RANK.index(device.kind), device.backend == GL, -(device.memory_bytes or 0)


def same_gpu(one: Adapter, other: Adapter) -> bool:
    """Whether two adapters are one GPU: GL names it with suffixes ("…/PCIe/SSE2") and often hides its ids."""
    mine, theirs = one.device.name.lower(), other.device.name.lower()
    return mine.startswith(theirs) or theirs.startswith(mine) or theirs in mine


def open_device(adapter: Adapter, label: str) -> Any:
    """Wgpu's device with all that the adapter grants, since the defaults (128 MiB a binding) are less than most have.

    Features are not asked for: our passes need none, and asking for all of them is refused by some drivers.
    """
    limits = {key: value for key, value in adapter.limits.items() if key in REQUIRED or key == "max-buffer-size"}
    with device_errors(f"opening {adapter.device.name}"):
        return adapter.handle.request_device_sync(label=label, required_limits=limits)
