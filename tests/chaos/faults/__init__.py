"""Every fault of the table; importing them enters them."""

from __future__ import annotations

from tests.chaos.fault import FAULTS, Fault
from tests.chaos.faults import daemon, machine, neighbours, port, start, stop, supervisor

MODULES = (daemon, port, start, stop, supervisor, machine, neighbours)
__all__ = ["FAULTS", "MODULES", "Fault"]
