"""Which device does the work."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.engine import choose as choosing
from daemon.engine.choose import Choice, choose, facts
from daemon.engine.gpu.device import Adapter
from daemon.engine.upscaler import DeviceKind
from tests.engine.stand_ins import StandIn, adapter


class Machine:
    """Stands in for this machine's adapters and for what opening each gives; the CPU engine is a stand-in too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.adapters: list[Adapter] = []
        self.engines: dict[int, StandIn | Exception] = {}
        self.cpu_opened = 0
        self.warned: list[int] = []
        monkeypatch.setattr("daemon.engine.gpu.device.list_adapters", lambda: self.adapters)
        monkeypatch.setattr(choosing, "_open_gpu", self.open_gpu)
        monkeypatch.setattr(choosing, "_open_cpu", self.open_cpu)

    def add(self, engine: StandIn | Exception, name: str = "Card", kind: DeviceKind = DeviceKind.DISCRETE) -> None:
        one = adapter(name, kind)
        self.adapters.append(one)
        self.engines[id(one)] = engine

    def open_gpu(self, one: Adapter) -> StandIn:
        engine = self.engines[id(one)]
        if isinstance(engine, Exception):
            raise engine
        return engine

    def open_cpu(self) -> StandIn:
        self.cpu_opened += 1
        return StandIn("CPU", DeviceKind.CPU)

    def choose(self, wish: str = "auto", **avoid: str) -> Choice:
        return choose(wish, avoid, lambda: self.warned.append(self.cpu_opened))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_the_first_that_proves_itself_is_taken(machine: Machine) -> None:
    black = StandIn(fault=np.zeros_like)
    machine.add(RuntimeError("driver bug"), "Broken")
    machine.add(black, "Black")
    machine.add(StandIn(), "Good")
    machine.add(StandIn(), "Spare")
    choice = machine.choose()
    assert choice.name == "Good"
    assert [(item.name, item.quarantined) for item in choice.rejected] == [("Broken", True), ("Black", True)]
    assert "driver bug" in choice.rejected[0].reason
    assert "black" in choice.rejected[1].reason
    assert black.closed
    assert choice.others == ["Spare"]
    assert machine.cpu_opened == 0


def test_where_none_proves_itself_the_cpu_takes_over_and_is_announced_first(machine: Machine) -> None:
    machine.add(StandIn(fault=np.zeros_like))
    choice = machine.choose("gpu")
    assert choice.upscaler.device.kind is DeviceKind.CPU
    assert machine.warned == [0]


def test_the_wish_for_the_cpu_looks_at_no_adapter(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.engine.gpu.device.list_adapters", pytest.fail)
    assert machine.choose("cpu").rejected == []


def test_twins_are_told_apart(machine: Machine) -> None:
    machine.add(StandIn("Twin"), "Twin")
    machine.add(StandIn("Twin"), "Twin")
    choice = machine.choose()
    assert (choice.name, choice.others) == ("Twin", ["Twin #2"])
    second = machine.choose("Twin #2")
    assert second.upscaler is machine.engines[id(machine.adapters[1])]
    assert facts(second, 0).name == "Twin #2"
    assert facts(second, 0).device_class == facts(choice, 0).device_class, "they make the same bytes"


def test_avoiding_one_twin_leaves_the_other(machine: Machine) -> None:
    machine.add(StandIn("Twin"), "Twin")
    machine.add(StandIn("Twin"), "Twin")
    choice = machine.choose("auto", Twin="lost")
    assert choice.name == "Twin #2"
    assert [(item.name, item.reason, item.quarantined) for item in choice.rejected] == [("Twin", "lost", True)]


def test_avoiding_every_gpu_asks_no_library(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.engine.gpu.device.list_adapters", pytest.fail)
    choice = machine.choose("auto", gpu="hung")
    assert [(item.name, item.reason, item.quarantined) for item in choice.rejected] == [("gpu", "hung", True)]


def test_a_software_driver_is_taken_only_when_it_is_asked_for(machine: Machine) -> None:
    machine.add(StandIn("llvmpipe", DeviceKind.SOFTWARE), "llvmpipe", DeviceKind.SOFTWARE)
    choice = machine.choose("auto")
    assert choice.upscaler.device.kind is DeviceKind.CPU
    assert not choice.rejected[0].quarantined
    assert machine.choose("gpu").name == machine.choose("LLVM").name == "llvmpipe"


def test_a_part_of_a_name_chooses(machine: Machine) -> None:
    machine.add(StandIn(), "Intel Arc")
    machine.add(StandIn(), "NVIDIA RTX")
    choice = machine.choose("nvidia")
    assert (choice.name, choice.others) == ("NVIDIA RTX", [])
    assert machine.choose("voodoo").upscaler.device.kind is DeviceKind.CPU
