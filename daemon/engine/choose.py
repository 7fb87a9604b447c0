"""Which device does the work: candidates in order of trustworthiness and speed, each opened and proved, the CPU last.

Nothing that a graphics driver does may reach further than this: a library that cannot be loaded, no adapter, an error,
a wrong picture each become a `Rejection` and the next candidate's turn. What hangs or crashes takes this process with
it; then the executor starts another that is told to avoid the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from daemon.engine.footprint import footprint
from daemon.engine.selftest import Proof, prove
from daemon.engine.upscaler import DeviceKind, Upscaler
from daemon.errors import ProEngineError
from daemon.executor.messages import DeviceFacts, Rejection

if TYPE_CHECKING:  # importing it for real is what may fail
    from daemon.engine.gpu.device import Adapter

AUTO: Final = "auto"
GPU: Final = "gpu"  # as `auto`, software drivers allowed
CPU: Final = "cpu"


@dataclass(frozen=True)
class Choice:
    """An opened device that has proved itself, and what became of the others."""

    upscaler: Upscaler
    name: str  # tells twins apart, which the device's own name does not
    rejected: list[Rejection] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def facts(choice: Choice, idle_bytes: int) -> DeviceFacts:
    """What the daemon is told of a device; `idle_bytes` is what its worker holds before a job."""
    device = choice.upscaler.device
    return DeviceFacts(
        name=choice.name,
        kind=device.kind,
        backend=device.backend,
        memory_bytes=device.memory_bytes,
        device_class=device.device_class,
        tiles=device.tiles,
        footprint=footprint(idle_bytes + device.tile_bytes),
    )


def choose(wish: str, avoid: Mapping[str, str], before_cpu: Callable[[], None]) -> Choice:
    """Open the best device that `wish` allows: `auto`, `gpu`, `cpu`, or a part of an adapter's name.

    `avoid` maps names of quarantined adapters (or `gpu` for all of them) to the reason. `before_cpu` is called before
    the CPU engine is opened, which may take long.

    Raises:
        DeviceFailed: not even the CPU engine could be opened.
    """
    rejected: list[Rejection] = []
    if wish != CPU:
        adapters = _adapters(wish, avoid, rejected)
        for position, (name, adapter) in enumerate(adapters):
            upscaler = _open(name, partial(_open_gpu, adapter), rejected)
            if upscaler is not None:
                others = [
                    other for other, later in adapters[position + 1 :] if later.device.kind is not DeviceKind.SOFTWARE
                ]
                return Choice(upscaler, name, rejected, others if wish == AUTO else [])
    before_cpu()
    upscaler = _open_cpu()
    return Choice(upscaler, upscaler.device.name, rejected)


def _adapters(wish: str, avoid: Mapping[str, str], rejected: list[Rejection]) -> list[tuple[str, Adapter]]:
    if GPU in avoid:
        rejected.append(Rejection(name=GPU, reason=avoid[GPU], quarantined=True))
        return []
    try:
        from daemon.engine.gpu.device import list_adapters

        found = list(_named(list_adapters()))
    except Exception as error:  # noqa: BLE001, a broken driver or library may raise anything at all
        rejected.append(Rejection(name="wgpu", reason=f"{type(error).__name__}: {error}"))
        return []
    if not found:
        rejected.append(Rejection(name="wgpu", reason="no graphics adapter was found"))
    allowed = []
    for name, adapter in found:
        reason = _why_not(name, adapter, wish, avoid)
        if reason is None:
            allowed.append((name, adapter))
        else:
            rejected.append(Rejection(name=name, reason=reason, quarantined=name in avoid))
    return allowed


def _named(adapters: list[Adapter]) -> Iterator[tuple[str, Adapter]]:
    """Adapters with names that tell twins apart: the second of two equal cards is `… #2`."""
    seen: dict[str, int] = {}
    for adapter in adapters:
        name = adapter.device.name
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} #{seen[name]}"), adapter


def _why_not(name: str, adapter: Adapter, wish: str, avoid: Mapping[str, str]) -> str | None:
    if name in avoid:
        return avoid[name]
    if wish == AUTO and adapter.device.kind is DeviceKind.SOFTWARE:
        return "it computes on the CPU, where our own kernels are faster; PRO_ENGINE_DEVICE can ask for it by name"
    if wish not in {AUTO, GPU} and wish.casefold() not in name.casefold():
        return f"its name does not contain {wish!r}"
    return None


def _open_gpu(adapter: Adapter) -> Upscaler:
    from daemon.engine.gpu.upscaler import open_upscaler

    return open_upscaler(adapter)


def _open_cpu() -> Upscaler:
    from daemon.engine.cpu.upscaler import CpuUpscaler

    upscaler = CpuUpscaler()
    prove(upscaler, Proof())
    return upscaler


def _open(name: str, opener: Callable[[], Upscaler], rejected: list[Rejection]) -> Upscaler | None:
    upscaler: Upscaler | None = None
    try:
        upscaler = opener()
        prove(upscaler, Proof())
    except Exception as error:  # noqa: BLE001, as above: whatever the driver did, the next candidate has its turn
        reason = error.message if isinstance(error, ProEngineError) else f"{type(error).__name__}: {error}"
        rejected.append(Rejection(name=name, reason=reason, quarantined=True))
        if upscaler is not None:
            upscaler.close()
        return None
    return upscaler
