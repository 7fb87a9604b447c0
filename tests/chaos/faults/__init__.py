"""Every fault of the table; importing them enters them."""

from __future__ import annotations

from tests.chaos.fault import FAULTS, Fault
from tests.chaos.faults import daemon, disk, machine, neighbours, planned, port, start, stop, supervisor

MODULES = (daemon, port, start, stop, supervisor, planned, machine, disk, neighbours)
__all__ = ["FAULTS", "MODULES", "Fault"]
