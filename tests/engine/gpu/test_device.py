"""Adapters are described in our words, ranked, and a GPU that GL shows again is dropped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.engine.gpu import device
from daemon.engine.gpu.device import REQUIRED, Adapter, describe, list_adapters, rank
from daemon.engine.upscaler import Device, DeviceKind
from daemon.errors import DeviceFailed

LIMITS = {**REQUIRED, "max-buffer-size": 1 << 30}


def make(name: str, kind: DeviceKind, backend: str = "vulkan", limits: Mapping[str, int] = LIMITS) -> Adapter:
    return Adapter(Device(name, kind, backend), limits, None)


def handle(**facts: str) -> Any:
    info = {"device": "", "description": "", "vendor": "", "adapter_type": "CPU", "backend_type": "Vulkan", **facts}
    return SimpleNamespace(info=info, limits=LIMITS)


def test_discrete_before_integrated_before_virtual_before_software() -> None:
    kinds = [DeviceKind.SOFTWARE, DeviceKind.VIRTUAL, DeviceKind.INTEGRATED, DeviceKind.DISCRETE]
    ranked = rank([make(kind, kind) for kind in kinds])
    assert [adapter.device.kind for adapter in ranked] == kinds[::-1]


def test_of_two_gpus_of_a_kind_the_one_with_more_memory_comes_first() -> None:
    small, large = (Adapter(Device(n, DeviceKind.DISCRETE, "vulkan", m), LIMITS, None) for n, m in (("s", 4), ("l", 8)))
    assert rank([small, large]) == [large, small]


def test_a_gpu_that_gl_shows_again_is_dropped() -> None:
    vulkan = make("NVIDIA RTX 3080", DeviceKind.DISCRETE)
    gl = make("NVIDIA RTX 3080/PCIe/SSE2", DeviceKind.VIRTUAL, "gl")
    assert rank([gl, vulkan]) == [vulkan]


def test_a_gpu_that_only_gl_shows_is_kept() -> None:
    old = make("Radeon HD 5000", DeviceKind.INTEGRATED, "gl")
    llvmpipe = make("llvmpipe", DeviceKind.SOFTWARE)
    assert rank([llvmpipe, old]) == [old, llvmpipe]


def test_two_equal_gpus_are_both_kept() -> None:
    assert len(rank([make("A", DeviceKind.DISCRETE), make("A", DeviceKind.DISCRETE)])) == 2


def test_an_adapter_that_grants_too_little_is_left_out() -> None:
    small = make("small", DeviceKind.DISCRETE, limits={**LIMITS, "max-uniform-buffer-binding-size": 16 << 10})
    assert rank([small]) == []


def test_facts_become_our_words() -> None:
    found = describe(handle(device="GeForce", adapter_type="DiscreteGPU", backend_type="Metal")).device
    assert found == Device("GeForce", DeviceKind.DISCRETE, "metal", 1 << 30)


def test_an_adapter_without_a_name_or_a_known_kind_still_has_both() -> None:
    found = describe(handle(adapter_type="Unknown")).device
    assert (found.name, found.kind) == ("unnamed", DeviceKind.VIRTUAL)


def test_a_wgpu_that_cannot_be_loaded_is_a_failed_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wgpu", None)
    with pytest.raises(DeviceFailed, match="wgpu"):
        list_adapters()


def test_an_adapter_that_refuses_a_device_is_a_failed_device() -> None:
    def refuse(**_wishes: object) -> None:
        raise RuntimeError("Unsupported features")

    adapter = Adapter(Device("GPU", DeviceKind.DISCRETE, "vulkan"), LIMITS, SimpleNamespace(request_device_sync=refuse))
    with pytest.raises(DeviceFailed, match="opening GPU"):
        device.open_device(adapter, "test")


def test_importing_the_engine_does_not_import_wgpu() -> None:
    code = "import sys, daemon.engine.gpu.upscaler; print('wgpu' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"


def test_an_adapter_that_makes_no_sense_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    good, odd = handle(device="GeForce", adapter_type="DiscreteGPU"), SimpleNamespace()
    gpu = SimpleNamespace(enumerate_adapters_sync=lambda: [odd, good])
    monkeypatch.setitem(sys.modules, "wgpu", SimpleNamespace(gpu=gpu))
    assert [adapter.device.name for adapter in list_adapters()] == ["GeForce"]
    gpu.enumerate_adapters_sync = lambda: [odd]
    with pytest.raises(DeviceFailed, match="describing a graphics adapter failed"):
        list_adapters()
